package idle

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMeasure looks at this very process while it serves the sockets: more memory and goroutines must be seen.
func TestMeasure(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/shared/auth/anonymous", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"access_token":"t","user":{"id":"01900000-0000-7000-8000-000000000001"}}`)
	})
	sockets := 0
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# HELP go_goroutines of it\ngo_goroutines %d\n", 10+sockets)
	})
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		upgrader := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == protocol.Subprotocol }}
		conn, _, _, err := upgrader.Upgrade(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = wsutil.WriteServerBinary(conn, protocol.Welcome{Protocol: protocol.Subprotocol}.Append(nil, 0))
		_, _, _ = wsutil.ReadClientData(conn)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	var out strings.Builder
	sockets = 30
	result, err := Measure(t.Context(), Options{
		Target: server.URL, Internal: server.URL, PID: os.Getpid(), From: 10, To: 30, Settle: time.Millisecond,
	}, &out)
	require.NoError(t, err)
	require.Len(t, result.Points, 3)
	require.Equal(t, []int{10, 20, 30}, []int{result.Points[0].Sockets, result.Points[1].Sockets, result.Points[2].Sockets})
	require.Equal(t, 40, result.last().Goroutines)
	require.Positive(t, result.first().Resident)
	require.Contains(t, out.String(), "bytes a socket")
}

func TestResult(t *testing.T) {
	t.Parallel()
	r := Result{Points: []Point{{2000, 50_000_000, 30}, {8500, 52_000_000, 31}, {15000, 56_500_000, 30}}}
	require.InDelta(t, 500, r.BytesPerSocket(), 0.1)
	require.Zero(t, r.GoroutinesGrown())
	_, err := sample("go_goroutines_total 3\n", "go_goroutines")
	require.Error(t, err)
	_, err = residentMemory(-1)
	require.Error(t, err)
}

// BenchmarkIdleSocket starts a gateway of its own, with stores of its own, and prints what its sockets cost.
func BenchmarkIdleSocket(b *testing.B) {
	target, internal, pid := startGateway(b)
	for range b.N {
		result, err := Measure(b.Context(), Options{Target: target, Internal: internal, PID: pid}, b.Output())
		require.NoError(b, err)
		b.ReportMetric(result.BytesPerSocket(), "B/socket")
		b.ReportMetric(float64(result.GoroutinesGrown()), "goroutines-more")
	}
}

// startGateway builds the program and runs `bestie dev` on free ports until the benchmark is over.
func startGateway(b *testing.B) (target, internal string, pid int) {
	b.Helper()
	dir, err := os.MkdirTemp("", "bestie-idle-")
	require.NoError(b, err)
	b.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(b, os.Chmod(dir, 0o755)) // Postgres may run as another user
	program := filepath.Join(dir, "bestie")
	build, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "github.com/halobestie/bestie-gateway/cmd/bestie").CombinedOutput()
	require.NoError(b, err, string(build))

	target, internal = freeAddress(b), freeAddress(b)
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(b, err)
	command := exec.Command(program, "dev", "--dir", filepath.Join(dir, "data"))
	command.Env = append(os.Environ(), "PUBLIC_ADDR="+target, "INTERNAL_ADDR="+internal, "LOG_LEVEL=warn")
	command.Stdout, command.Stderr = log, log
	require.NoError(b, command.Start())
	b.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		log.Close()
	})
	api := client.NewAPI(target, internal)
	defer api.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 3*time.Minute)
	defer cancel()
	for api.Alive(ctx) != nil {
		if !pause(ctx, 200*time.Millisecond) {
			text, _ := os.ReadFile(log.Name())
			b.Fatalf("the gateway did not come up:\n%s", text)
		}
	}
	return target, internal, command.Process.Pid
}

func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer listener.Close()
	return listener.Addr().String()
}
