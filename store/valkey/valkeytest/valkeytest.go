// Package valkeytest gives every test a part of a real Valkey of its own: one private server a test binary, found as package
// store/local says, and a key prefix for each test.
//
//	func TestMain(m *testing.M) { os.Exit(valkeytest.Main(m)) }
//
//	func TestIt(t *testing.T) {
//		t.Parallel()
//		url, prefix := valkeytest.New(t)
//		…
//	}
//
// The server starts with the first test that asks for it and is stopped by Main. The imitation that `bestie dev` may fall
// back on is not good enough for tests: without a real server they fail.
package valkeytest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/local"
)

// startTimeout covers fetching the packages on a machine that has none.
const startTimeout = 5 * time.Minute

// shared is the server of this test binary. It is made by the first test that needs it and stopped by Main.
var shared struct {
	once   sync.Once
	server *local.Server
	err    error
}

// Main runs the tests and stops the server. For TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	Stop()
	return code
}

// Stop ends the server, if any test started it. For a TestMain that does more than Main; no test may run any more.
func Stop() {
	if shared.server != nil {
		shared.server.Stop()
	}
}

// New gives the URL of the binary's server and a key prefix that no other test has. What a test leaves in a server that is not
// ours is deleted at its end.
func New(t testing.TB) (url, prefix string) {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = start(local.Options{}) })
	if shared.err != nil {
		t.Fatalf("no Valkey to test with: %v", shared.err)
	}
	prefix = "{test-" + core.NewID[core.ConnID]().String() + "}:"
	if shared.server.External() {
		t.Cleanup(func() { deleteAll(t, shared.server.URL(), prefix) })
	}
	return shared.server.URL(), prefix
}

// Private starts a server for one test that kills, freezes or empties it, and stops it at the test's end.
func Private(t testing.TB) *local.Server {
	t.Helper()
	server, err := start(local.Options{Private: true})
	if err != nil {
		t.Fatalf("no Valkey to test with: %v", err)
	}
	t.Cleanup(server.Stop)
	return server
}

// Dial connects past the package under test, to look at keys and to spoil them. Closed when the test has ended.
func Dial(t testing.TB, url string) driver.Client {
	t.Helper()
	option, err := driver.ParseURL(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	option.DisableCache = true
	option.Sentinel.Password = option.Password // local's sentinels have the same
	client, err := driver.NewClient(option)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	t.Cleanup(client.Close)
	return client
}

func start(o local.Options) (*local.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	o.Progress = progress
	server, err := local.Valkey(ctx, o)
	if err != nil {
		return nil, err
	}
	if server.Miniredis() {
		server.Stop()
		return nil, errors.New("only an imitation was found; install valkey or redis 7, or set VALKEY_URL")
	}
	return server, nil
}

func deleteAll(t testing.TB, url, prefix string) {
	client := Dial(t, url)
	ctx := context.Background()
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		page, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Match(prefix+"*").Count(1000).Build()).AsScanEntry()
		if err != nil {
			t.Logf("delete %s*: %v", prefix, err)
			return
		}
		for _, key := range page.Elements {
			if err := client.Do(ctx, client.B().Del().Key(key).Build()).Error(); err != nil {
				t.Logf("delete %s: %v", key, err)
			}
		}
		cursor = page.Cursor
	}
}

// Cluster starts a cluster of three masters with a replica each, for one test, and stops it at the test's end.
func Cluster(t testing.TB) *local.ValkeyCluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	cluster, err := local.StartValkeyCluster(ctx, 3, local.Options{Progress: progress})
	if err != nil {
		t.Fatalf("no Valkey cluster to test with: %v", err)
	}
	t.Cleanup(cluster.Stop)
	return cluster
}

// Sentinel starts a master and its replica under a sentinel, for one test.
func Sentinel(t testing.TB) *local.ValkeySentinel {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	sentinel, err := local.StartValkeySentinel(ctx, local.Options{Progress: progress})
	if err != nil {
		t.Fatalf("no Valkey to test with: %v", err)
	}
	t.Cleanup(sentinel.Stop)
	return sentinel
}

// TLS starts a Valkey that speaks TLS, for one test, and gives its URL without ca_file, and the file.
func TLS(t testing.TB) (url, caFile string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	server, ca, err := local.ValkeyTLS(ctx, local.Options{Progress: progress})
	if err != nil {
		t.Fatalf("no Valkey to test with: %v", err)
	}
	t.Cleanup(server.Stop)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL(), caFile
}

func progress(line string) { fmt.Fprintln(os.Stderr, "valkeytest:", line) }
