package console_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/gateway/rest/console"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
)

// described is what the control center's routes promise, those of package rest among them; seen is what they have answered.
var (
	described = rest.Describe("test", console.Routes(nil)...)
	seen      openapi.Seen
)

// neverSeen lists what is promised and no test has got. It has something to say only when all tests ran.
func neverSeen() []string {
	for _, narrowed := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(narrowed).Value.String() != "" {
			return nil
		}
	}
	elsewhere := rest.Describe("test")
	return slices.DeleteFunc(seen.Missing(described), func(answer string) bool {
		method, rest, _ := strings.Cut(answer, " ")
		path, what, _ := strings.Cut(rest, " ")
		return elsewhere.Template(method, path) == path || // those of package rest
			what == "INTERNAL" || // a fault that nobody knows of
			what == "OVERLOADED" // when hashing is: TestHashing_ErrOverloaded
	})
}

func report(missing []string) int {
	for _, answer := range missing {
		fmt.Fprintln(os.Stderr, "described, and never seen:", answer)
	}
	return min(1, len(missing))
}
