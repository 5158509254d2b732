package local

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// runForever, in the environment, turns this test binary into a program that starts both stores, prints their folders and
// waits to be killed.
const runForever = "BESTIE_TEST_RUN_FOREVER"

func TestMain(m *testing.M) {
	if os.Getenv(runForever) != "" {
		startAndWait()
		return
	}
	// A client of a cluster closes connections to nodes that went away 5 s later, in a goroutine that nobody can wait for.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valkey-io/valkey-go.(*clusterClient)._refresh.func2"))
}

func startAndWait() {
	ctx := context.Background()
	postgres, err := Postgres(ctx, Options{Private: true})
	if err != nil {
		panic(err)
	}
	valkey, err := Valkey(ctx, Options{Private: true})
	if err != nil {
		panic(err)
	}
	for _, s := range []*Server{postgres, valkey} {
		fmt.Println(s.engine.(*native).place.dir)
	}
	bufio.NewScanner(os.Stdin).Scan() // nothing ever comes
}
