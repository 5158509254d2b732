package epoll_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// recorder passes on what the loop says.
type recorder struct {
	ready chan epoll.Event
	due   chan entry
	read  int // a descriptor to read from when it is ready
}

func newRecorder() *recorder {
	return &recorder{ready: make(chan epoll.Event, 100), due: make(chan entry, 100), read: -1}
}

func (r *recorder) Ready(key int32, events epoll.Events) {
	if r.read >= 0 {
		unix.Read(r.read, make([]byte, 100))
	}
	select {
	case r.ready <- epoll.Event{Key: key, Events: events}:
	default: // readiness is told again and again
	}
}

func (r *recorder) Due(key int32, at epoll.Tick) { r.due <- entry{key, at} }

func (r *recorder) Patience() epoll.Patience { return epoll.AtAnyPace }

// turn runs a loop until the test ends.
func turn(t *testing.T, dedicated bool, r *recorder) (l *epoll.Loop, stop func()) {
	l, err := epoll.NewLoop(dedicated)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var last atomic.Bool
	go func() { done <- l.Run(ctx, r, func() { last.Store(true) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
		require.True(t, last.Load())
	})
	t.Cleanup(stop)
	return l, stop
}

func within[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

func pair(t *testing.T) [2]int {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(fds[0], true))
	return fds
}

func TestLoop(t *testing.T) {
	t.Parallel()
	for name, dedicated := range map[string]bool{"Blocking": false, "Dedicated": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("Ready", func(t *testing.T) {
				t.Parallel()
				fds := pair(t)
				r := newRecorder()
				r.read = fds[0]
				l, stop := turn(t, dedicated, r)
				require.NoError(t, l.Poller().Add(fds[0], 7, epoll.Readable))
				for range 10 {
					unix.Write(fds[1], []byte("x"))
					require.Equal(t, epoll.Event{Key: 7, Events: epoll.Readable}, within(t, r.ready))
				}
				require.NoError(t, l.Poller().Modify(fds[0], 8, epoll.Readable|epoll.Writable))
				require.Equal(t, epoll.Event{Key: 8, Events: epoll.Writable}, within(t, r.ready))
				stop()
				unix.Close(fds[1])
				require.NoError(t, unix.Close(fds[0]))
			})

			t.Run("Broken", func(t *testing.T) {
				t.Parallel()
				fds := pair(t)
				r := newRecorder()
				l, stop := turn(t, dedicated, r)
				require.NoError(t, l.Poller().Add(fds[0], 1, epoll.Readable))
				unix.Close(fds[1])
				require.Equal(t, epoll.Event{Key: 1, Events: epoll.Readable | epoll.Writable}, within(t, r.ready))
				released := make(chan error, 1)
				l.Post(func() { released <- l.Poller().Release(fds[0]) })
				require.NoError(t, within(t, released))
				stop()
			})

			t.Run("Due", func(t *testing.T) {
				t.Parallel()
				r := newRecorder()
				l, _ := turn(t, dedicated, r)
				at := time.Now().Add(2 * epoll.TickLength)
				l.Post(func() { l.Schedule(5, l.Clock(at)+1) })
				require.EqualValues(t, 5, within(t, r.due).key)
				require.False(t, time.Now().Before(at))
			})

			t.Run("PostFromAnywhere", func(t *testing.T) {
				t.Parallel()
				l, stop := turn(t, dedicated, newRecorder())
				const posters, each = 8, 1000
				ran := 0 // the loop's own
				var wg sync.WaitGroup
				for range posters {
					wg.Go(func() {
						for range each {
							require.True(t, l.Post(func() { ran++ }))
						}
					})
				}
				wg.Wait()
				all := make(chan int, 1)
				l.Post(func() { all <- ran })
				require.Equal(t, posters*each, within(t, all))
				stop()
				require.False(t, l.Post(func() { t.Error("after the end") }))
			})

			t.Run("PostFromWithin", func(t *testing.T) {
				t.Parallel()
				l, _ := turn(t, dedicated, newRecorder())
				done := make(chan struct{})
				turns := 0
				var again func()
				again = func() {
					if turns++; turns == 100 {
						close(done)
						return
					}
					l.Post(again)
				}
				l.Post(again)
				within(t, done)
			})
		})
	}
}

// What was accepted for the mailbox is run, also at the end.
func TestLoopEnd(t *testing.T) {
	t.Parallel()
	for range 100 {
		l, err := epoll.NewLoop(false)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx, newRecorder(), func() {}) }()
		ran, accepted := 0, 0
		go cancel()
		for l.Post(func() { ran++ }) {
			accepted++
		}
		require.NoError(t, <-done)
		require.Equal(t, accepted, ran)
	}
}
