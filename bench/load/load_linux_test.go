package load

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if IsWorker() {
		os.Exit(WorkerMain())
	}
	os.Exit(m.Run())
}

// echoServer answers what begins with A, tells everybody what begins with B, and closes who sends C.
type echoServer struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func echoDialect() Dialect {
	return Dialect{
		Path: "/", Request: []byte("A"), OneWay: []byte("O"), Answer: []byte("A"), Event: []byte("B"), Triggers: [][]byte{[]byte("B")},
	}
}

func startEcho(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	s := &echoServer{conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		for conn := range s.conns {
			conn.Close()
		}
		s.mu.Unlock()
		all.Wait()
	})
	return listener.Addr().String()
}

func (s *echoServer) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	s.mu.Lock()
	s.conns[conn] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	for {
		msg, err := wsutil.ReadClientBinary(conn)
		if err != nil {
			return
		}
		switch msg[0] {
		case 'A':
			s.write(msg, conn)
		case 'B':
			s.mu.Lock()
			for other := range s.conns {
				_ = wsutil.WriteServerBinary(other, msg)
			}
			s.mu.Unlock()
		case 'C':
			s.mu.Lock()
			_ = ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "")))
			s.mu.Unlock()
			return
		}
	}
}

func (s *echoServer) write(msg []byte, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = wsutil.WriteServerBinary(conn, msg)
}

func hire(t *testing.T, dialect Dialect, sockets int, target string) *Crew {
	t.Helper()
	crew, err := Hire(context.Background(), 2, Setup{Targets: []string{target}, Dialect: dialect, Sockets: sockets}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, crew.Dismiss()) })
	return crew
}

func TestCrewSharesTasks(t *testing.T) {
	t.Parallel()
	crew := hire(t, echoDialect(), 21, startEcho(t))
	report, err := crew.Do(Task{Open: &Opening{Range: Range{0, 21}, InFlight: 4}})
	require.NoError(t, err)
	require.EqualValues(t, 21, report.Opened)
	require.Positive(t, report.OpenTook)

	report, err = crew.Do(Task{
		Length: 200 * time.Millisecond, Linger: time.Second / 2,
		Streams: []Stream{{Range: Range{0, 20}, Kind: Requests, PerSecond: 500}, {Range: Range{0, 20}, Kind: OneWays, PerSecond: 100}, {Range: Range{5, 6}, Kind: Pings, PerSecond: 50}},
		Trigger: &Trigger{Socket: 20, Every: 80 * time.Millisecond},
		Open:    &Opening{Range: Range{10, 20}, Cut: true, InFlight: 4, After: 100 * time.Millisecond},
	})
	require.NoError(t, err)
	require.EqualValues(t, 10, report.Opened, "those that were cut came back")
	require.InDelta(t, 130, report.Sent+report.NotOpen, 6, "the rate is kept whatever happens")
	require.NotZero(t, report.Latency.Count())
	require.LessOrEqual(t, report.Latency.Count(), report.Requests)
	require.Greater(t, report.Events, uint64(20), "an event for all, twice")
	require.Equal(t, report.Events, report.EventAge.Count())
	require.Zero(t, report.LostCount())
	require.NotEmpty(t, report.Slices)
}

func TestCrewTellsOfLoss(t *testing.T) {
	t.Parallel()
	dialect := echoDialect()
	dialect.OneWay = []byte("C")
	crew := hire(t, dialect, 4, startEcho(t))
	_, err := crew.Do(Task{Open: &Opening{Range: Range{0, 4}, InFlight: 4}})
	require.NoError(t, err)
	report, err := crew.Do(Task{Length: 20 * time.Millisecond, Linger: time.Second / 2, Streams: []Stream{{Range: Range{0, 3}, Kind: OneWays, PerSecond: 150}}})
	require.NoError(t, err)
	require.Equal(t, map[uint16]uint{4000: 3}, report.Lost)
	report, err = crew.Do(Task{Open: &Opening{Range: Range{0, 4}, InFlight: 4}, Close: &Range{3, 4}})
	require.NoError(t, err)
	require.EqualValues(t, 4, report.Opened)
}

func TestBadTasks(t *testing.T) {
	t.Parallel()
	_, err := Hire(t.Context(), 1, Setup{Targets: []string{"nowhere"}}, nil)
	require.ErrorContains(t, err, "nowhere")
	crew, err := Hire(t.Context(), 1, Setup{Targets: []string{"127.0.0.1:1"}, Sockets: 1}, nil)
	require.NoError(t, err)
	_, err = crew.Do(Task{Open: &Opening{Range: Range{0, 1}, Tokens: filepath.Join(t.TempDir(), "none")}})
	require.ErrorContains(t, err, "none")
	require.Error(t, crew.Dismiss(), "that worker has ended")
}

// TestScenarios runs all of them, small, against a server in this very process.
func TestScenarios(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	tokens := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("a\nb\nc\n"), 0o600))
	target := Target{
		Name: "echo", PID: os.Getpid(), Targets: []string{startEcho(t)}, Dialect: echoDialect(), Tokens: tokens,
		Heap: func() (int64, error) { return 4096, nil },
	}
	bench, err := NewBench(t.Context(), target, Sizes{
		IdleFrom: 10, IdleTo: 60, Busy: 40, Audience: 50, Rate: 400, Length: 200 * time.Millisecond, Settle: 10 * time.Millisecond,
		EventEvery: 50 * time.Millisecond,
	}, 2, &out)
	require.NoError(t, err)
	require.NoError(t, bench.Run())
	require.NoError(t, bench.Close())
	result := bench.Result()
	require.NotEmpty(t, result.Samples)
	for _, key := range []string{
		"idle/handshake-cpu", "idle/resident", "idle/heap", "fan-out/delivery-cpu", "fan-out/age-p99", "storm/back-after",
		"storm/known-token-cpu", "echo/p99", "echo-slow/cpu", "one-way/cpu", "slow-readers/p99", "mixed/p99.9",
	} {
		_, ok := result.Value(key)
		require.True(t, ok, key)
	}
	_, ok := result.Value("echo/none")
	require.False(t, ok)

	dir := t.TempDir()
	files, err := WritePictures(dir, []Result{result})
	require.NoError(t, err)
	require.Contains(t, files, filepath.Join(dir, "latency-echo.svg"))
	require.NoError(t, WriteJSON(filepath.Join(dir, "load.json"), []Result{result}))
	var table strings.Builder
	require.NoError(t, result.WriteTable(&table))
	require.Contains(t, table.String(), "fan-out/delivery-cpu")
	require.Contains(t, out.String(), "echo")
}
