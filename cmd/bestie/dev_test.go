package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/sim"
)

// A first run makes everything, a second one finds it; in between and after, nothing is left running.
func TestDev_ComesUpAndStopsAndComesUpAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), ".dev")

	first := startDev(t, dir)
	code, tokens, complaints := execute(t, nil, "token", "--dir", dir, "--count", "2")
	require.Equal(t, exitDone, code, complaints)
	require.Len(t, strings.Fields(tokens), 2)
	report, err := sim.Run(t.Context(), sim.Options{
		Targets: []string{first.public}, Internal: first.internal, Mitras: 6, Customers: 3, Duration: 2 * time.Second,
	}, t.Output())
	require.NoError(t, err)
	require.Empty(t, report.Broken)
	require.Positive(t, report.Matched)
	require.Equal(t, exitDone, first.stop())

	code, _, complaints = execute(t, nil, "token", "--dir", dir)
	require.Equal(t, exitMisuse, code)
	require.Contains(t, complaints, "no bestie dev is running")

	second := startDev(t, dir)
	require.Equal(t, first.password, second.password, "the operator's password stays")
	require.NotContains(t, second.progress.String(), "initdb")
	require.Equal(t, exitDone, second.stop())
}

func TestDev_SaysWhatToDoAboutATakenAddress(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	code, _, complaints := execute(t, []string{"PUBLIC_ADDR=" + addr, "INTERNAL_ADDR=" + addr}, "dev", "--dir", t.TempDir())
	require.Equal(t, exitFailed, code)
	require.Contains(t, complaints, "set PUBLIC_ADDR to a free one")
	require.Contains(t, complaints, "set INTERNAL_ADDR to a free one")
}

// devRun is a bestie dev in this process.
type devRun struct {
	t                          *testing.T
	public, internal, password string
	out, progress              *buffer
	end                        context.CancelFunc
	code                       chan int
}

func startDev(t *testing.T, dir string) *devRun {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	d := &devRun{t: t, end: end, code: make(chan int, 1), out: newBuffer(), progress: newBuffer()}
	environ := []string{"PUBLIC_ADDR=127.0.0.1:0", "INTERNAL_ADDR=127.0.0.1:0", "DRAIN_SECONDS=0", "HOME=" + os.Getenv("HOME")}
	go func() {
		d.code <- run(ctx, []string{"dev", "--dir", dir}, &shell{environ: environ, out: d.out, err: d.progress})
	}()
	t.Cleanup(func() { d.stop() })
	banner := d.out.await(t, d.code, d.progress)
	d.public = field(t, banner, `REST +(\S+)/api`)
	d.internal = field(t, banner, `internal +(\S+)/metrics`)
	d.password = field(t, banner, `operator .* password (\S+)`)
	return d
}

// stop ends the run as Ctrl-C does and tells its exit code. Once is enough.
func (d *devRun) stop() int {
	d.t.Helper()
	d.end()
	select {
	case code := <-d.code:
		d.code <- code
		return code
	case <-time.After(patience):
		require.FailNow(d.t, "dev does not stop")
		return -1
	}
}

func field(t *testing.T, text, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.NotNil(t, match, "%s is not in %s", pattern, text)
	return match[1]
}

// buffer is what a program in another goroutine writes to.
type buffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{} // holds a token when something was written
}

func newBuffer() *buffer { return &buffer{written: make(chan struct{}, 1)} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.written <- struct{}{}:
	default:
	}
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits for the banner's last line. The first start may fetch programs, which takes its time.
func (b *buffer) await(t *testing.T, ended chan int, progress *buffer) string {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	for {
		if text := b.String(); strings.Contains(text, "The data stays.") {
			return text
		}
		select {
		case <-b.written:
		case code := <-ended:
			ended <- code
			require.FailNow(t, "dev did not come up", "exit code %d: %s", code, progress)
		case <-deadline:
			require.FailNow(t, "dev does not come up", "%s", progress)
		}
	}
}
