package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/halobestie/bestie-gateway"

// floor is one line of the architecture: what a package, or every package below it ("x/..."), may import. Imports go down
// only. ours are packages of this module, third are modules of others; a pattern "x/..." holds for x, too.
type floor struct {
	name  string
	ours  []string
	third []string
}

// floors are looked up by the package's own name first, then by the folders that it is in. To add a line is to make an argument; an import that no line allows
// is an accident. What tests import is freer, but for the rule of TestCoreTestsStayInCore.
var floors = []floor{
	// 0: what everything stands on. They know nothing of each other.
	{name: "protocol", third: []string{"github.com/vmihailenco/msgpack/v5"}},
	{name: "core", third: []string{"github.com/google/uuid"}},
	{name: "gateway/epoll", third: []string{"golang.org/x/sys"}},

	// 1: one business noun each. What a room needs of another, it declares in its ports.go.
	{name: "core/presence", ours: []string{"core"}, third: []string{"golang.org/x/sync"}},
	{name: "core/chat", ours: []string{"core"}},
	{name: "core/auth", ours: []string{"core"}, third: []string{"github.com/golang-jwt/jwt/v5", "golang.org/x/crypto"}},
	{name: "core/payment", ours: []string{"core"}},
	{name: "core/push", ours: []string{"core"}},
	{name: "core/admin", ours: []string{"core"}},
	{name: "core/pairing", ours: []string{"core", "core/chat"}}, // a pairing is of a chat session

	// 2: stores, vendors and connections, each behind the ports of the rooms above.
	{name: "store/postgres", ours: []string{"core/..."}, third: []string{"github.com/jackc/pgx/v5", "github.com/pressly/goose/v3"}},
	{name: "store/valkey", ours: []string{"core/...", "store/valkey/link", "store/valkey/bus"}, third: []string{"github.com/valkey-io/valkey-go"}},
	// A connection knows nothing of what is kept over it; the bus is one use of it, the mirror another.
	{name: "store/valkey/link", ours: []string{"core/..."}, third: []string{"github.com/valkey-io/valkey-go"}},
	{name: "store/valkey/bus", ours: []string{"core/...", "store/valkey/link"}, third: []string{"github.com/valkey-io/valkey-go"}},
	{name: "store/local", third: []string{"github.com/alicebob/miniredis/v2"}},
	{name: "core/auth/oidc", ours: []string{"core", "core/auth"}, third: []string{"github.com/golang-jwt/jwt/v5"}}, // other people's tokens are JWTs, too
	{name: "core/auth/...", ours: []string{"core", "core/auth"}},
	{name: "core/payment/...", ours: []string{"core", "core/payment"}},
	{name: "core/push/...", ours: []string{"core", "core/push"}, third: []string{"github.com/golang-jwt/jwt/v5"}}, // assertions to vendors
	{name: "gateway/socket", ours: []string{"protocol", "core", "gateway/epoll"}, third: []string{"github.com/gobwas/ws", "golang.org/x/sys"}},
	{name: "gateway/hub", ours: []string{"protocol", "core"}},

	// 3: translators.
	{name: "gateway/dispatch", ours: []string{"protocol", "core/..."}},
	{name: "gateway/rest", ours: []string{"core/...", "gateway/rest/openapi"}, third: []string{"github.com/julienschmidt/httprouter"}},
	// A description is made of Go types alone. The control center's routes are a table that the router is given: so many resources
	// would bury the few files that every route goes through.
	{name: "gateway/rest/openapi"},
	{name: "gateway/rest/console", ours: []string{"core", "core/admin", "gateway/rest"}},

	// 4 and 5: the server, and the program that wires everything.
	{
		name: "gateway", ours: []string{"gateway/...", "core/...", "protocol"},
		third: []string{"github.com/panjf2000/ants/v2", "golang.org/x/sync"},
	},
	{
		name: "cmd/...", ours: []string{"cmd/...", "bench/...", "gateway/...", "store/...", "core/...", "protocol"},
		third: []string{"github.com/caarlos0/env/v11", "github.com/prometheus/client_golang", "golang.org/x/sync"},
	},

	// Outside: clients that know the wire alone, and kits that give tests their stores.
	{name: "bench/...", ours: []string{"bench/...", "protocol"}, third: []string{"github.com/gobwas/ws", "golang.org/x/sync", "golang.org/x/sys"}},
	{
		name: "store/postgres/pgtest", ours: []string{"core", "store/local", "store/postgres"},
		third: []string{"github.com/google/uuid", "github.com/jackc/pgx/v5", "github.com/stretchr/testify"},
	},
	{
		name: "store/valkey/valkeytest", ours: []string{"core", "store/local", "store/valkey"},
		third: []string{"github.com/google/uuid", "github.com/stretchr/testify", "github.com/valkey-io/valkey-go"},
	},
}

// listed is what `go list` tells about a package.
type listed struct {
	ImportPath, Name, Doc              string
	Imports, TestImports, XTestImports []string
}

// short is the name within the module.
func (p listed) short() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// packages lists the module as one system sees it, without the root, which holds tests alone.
func packages(t *testing.T, system string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, complaints.String())

	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.ImportPath != module {
			all = append(all, p)
		}
	}
	require.NotEmpty(t, all)
	return all
}

func TestFloors(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"linux", "darwin"} {
		for _, p := range packages(t, system) {
			f, ok := floorOf(p.short())
			if !ok {
				t.Errorf("%s: %s stands on no floor: give it a line in floors_test.go", system, p.short())
				continue
			}
			for _, imported := range p.Imports {
				if !f.allows(imported) {
					t.Errorf("%s: forbidden import: %s -> %s (floor %s)", system, p.short(), strings.TrimPrefix(imported, module+"/"), f.name)
				}
			}
		}
	}
}

// Rules are tested where they live: a room's tests use fakes of its ports, never a store or a gateway.
func TestCoreTestsStayInCore(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, "linux") {
		if !fits("core/...", p.short()) && !fits("protocol", p.short()) {
			continue
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			ours, is := strings.CutPrefix(imported, module+"/")
			if is && !fits("core/...", ours) && !fits("protocol", ours) {
				t.Errorf("forbidden import in a test: %s -> %s", p.short(), ours)
			}
		}
	}
}

func TestFloorsAreUsed(t *testing.T) {
	t.Parallel()
	later := []string{"core/payment", "core/payment/..."} // their issues have not come yet
	used := map[string]bool{}
	for _, p := range packages(t, "linux") {
		if f, ok := floorOf(p.short()); ok {
			used[f.name] = true
		}
	}
	for _, f := range floors {
		if !used[f.name] && !slices.Contains(later, f.name) {
			t.Errorf("nothing stands on floor %s", f.name)
		}
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	f := floor{ours: []string{"core", "gateway/..."}, third: []string{"golang.org/x/sys"}}
	for imported, want := range map[string]bool{
		"net/http": true, module + "/core": true, module + "/core/chat": false, module + "/gateway": true,
		module + "/gateway/hub": true, module + "/gatewayx": false, "golang.org/x/sys/unix": true, "golang.org/x/sysx": false,
		"github.com/other/thing": false,
	} {
		require.Equal(t, want, f.allows(imported), imported)
	}
	found, ok := floorOf("store/postgres/pgtest")
	require.True(t, ok)
	require.Equal(t, "store/postgres/pgtest", found.name)
	_, ok = floorOf("store")
	require.False(t, ok)
}

// floorOf finds the line of the package itself, else the nearest one for everything below a folder.
func floorOf(name string) (floor, bool) {
	patterns := []string{name}
	for dir := name; dir != "."; dir = path.Dir(dir) {
		patterns = append(patterns, dir+"/...")
	}
	for _, pattern := range patterns {
		if i := slices.IndexFunc(floors, func(f floor) bool { return f.name == pattern }); i >= 0 {
			return floors[i], true
		}
	}
	return floor{}, false
}

func (f floor) allows(imported string) bool {
	if ours, is := strings.CutPrefix(imported, module+"/"); is {
		return slices.ContainsFunc(f.ours, func(pattern string) bool { return fits(pattern, ours) })
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(f.third, func(name string) bool { return fits(name+"/...", imported) })
}

// fits tells whether name matches pattern, as `go list` has it: "x/..." is x and everything below.
func fits(pattern, name string) bool {
	prefix, all := strings.CutSuffix(pattern, "/...")
	return name == prefix || all && strings.HasPrefix(name, prefix+"/")
}
