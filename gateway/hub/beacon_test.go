package hub_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/gateway/hub"
	"github.com/halobestie/bestie-gateway/protocol"
)

// listener is a subscriber that keeps what it was sent.
type listener struct {
	seat   hub.Seat
	loop   int
	closed bool // not open for events
	got    []protocol.Availability
	at     []time.Time
}

func (l *listener) Seat() *hub.Seat { return &l.seat }
func (l *listener) Loop() int       { return l.loop }

func (l *listener) Latest(frame protocol.Availability) bool {
	if l.closed {
		return false
	}
	l.got = append(l.got, frame)
	l.at = append(l.at, time.Now())
	return true
}

// loops run what is posted, each in order: at once, or when the test says so.
type loops struct {
	atOnce bool

	mu    sync.Mutex
	posts [][]func()
}

func (l *loops) post(loop int, f func()) {
	if l.atOnce {
		f()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts[loop] = append(l.posts[loop], f)
}

func (l *loops) step(loop int) bool {
	l.mu.Lock()
	if len(l.posts[loop]) == 0 {
		l.mu.Unlock()
		return false
	}
	f := l.posts[loop][0]
	l.posts[loop] = l.posts[loop][1:]
	l.mu.Unlock()
	f()
	return true
}

func (l *loops) settle() {
	for busy := true; busy; {
		busy = false
		for loop := range l.posts {
			busy = l.step(loop) || busy
		}
	}
}

type beacon = hub.Beacon[*listener, protocol.Availability]

// newBeacon is a beacon whose frames are the values themselves; encoded counts how often one was made.
func newBeacon(n int, pace time.Duration) (b *beacon, l *loops, encoded *int) {
	l, encoded = &loops{posts: make([][]func(), n)}, new(int)
	encode := func(a protocol.Availability) protocol.Availability { *encoded++; return a }
	return hub.NewBeacon[*listener](n, pace, encode, l.post), l, encoded
}

func value(n int, at int64) protocol.Availability { return protocol.Availability{Available: n, At: at} }

// running runs the beacon in a bubble of synctest for the length of the test.
func running(t *testing.T, b *beacon) {
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { b.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
}

func TestBeaconConflates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pace = 250 * time.Millisecond
		b, l, encoded := newBeacon(2, pace)
		l.atOnce = true
		one, two := &listener{loop: 0}, &listener{loop: 1}
		_, known := b.Join(one)
		require.False(t, known, "nobody has counted yet")
		b.Join(two)
		running(t, b)

		for i := range 1000 { // a change every 10 ms for 10 s
			b.Publish(value(i+1, int64(i)))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(pace)
		synctest.Wait()

		for _, c := range []*listener{one, two} {
			require.Equal(t, value(1000, 999), c.got[len(c.got)-1], "the last value always comes")
			require.InDelta(t, 40, len(c.got), 2)
			for i := 1; i < len(c.at); i++ {
				require.GreaterOrEqual(t, c.at[i].Sub(c.at[i-1]), pace, "at most 4 frames a second")
			}
		}
		require.Equal(t, len(one.got), *encoded, "encoded once for both")
	})
}

func TestBeaconTellsChangesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := newBeacon(1, time.Second)
		running(t, b)
		c := &listener{}
		b.Publish(value(5, 10))
		joined, known := b.Join(c)
		require.True(t, known)
		require.Equal(t, value(5, 10), joined)
		b.Publish(value(5, 11)) // the same number, younger
		b.Publish(value(9, 3))  // counted before
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.settle()
		require.Empty(t, c.got, "the answer to subscribing said it")
		now, _ := b.Current()
		require.Equal(t, value(5, 11), now)

		b.Publish(value(6, 12))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.settle()
		require.Equal(t, []protocol.Availability{value(6, 12)}, c.got)

		b.Leave(c)
		b.Leave(c)
		b.Publish(value(7, 13))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.settle()
		require.Len(t, c.got, 1, "who left is told no more")
	})
}

func TestBeaconCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l, _ := newBeacon(1, time.Second)
		running(t, b)
		c := &listener{closed: true}
		b.Join(c)
		b.Publish(value(1, 1))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.settle()
		require.Empty(t, c.got, "it is not open for events yet")
		c.closed = false
		b.CatchUp(c)
		b.CatchUp(c)
		require.Equal(t, []protocol.Availability{value(1, 1)}, c.got)
	})
}

// TestBeaconWalkModel broadcasts to more seats than one slice serves, while subscribers come and go between the slices: whoever
// was there all the time has the last value in the end, and nobody gets a number twice or an older one after a newer.
func TestBeaconWalkModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, walkModel)
}

func walkModel(t *rapid.T) {
	b, l, _ := newBeacon(1, time.Second)
	var seated []*listener
	join := func() {
		c := &listener{}
		b.Join(c)
		seated = append(seated, c)
	}
	published := 0
	publish := func() {
		published++
		b.Publish(value(published, int64(published)))
		b.Broadcast()
	}
	for range rapid.IntRange(0, 700).Draw(t, "seats") {
		join()
	}
	t.Repeat(map[string]func(*rapid.T){
		"publish": func(*rapid.T) { publish() },
		"serve":   func(*rapid.T) { l.step(0) },
		"join":    func(*rapid.T) { join() },
		"leave": func(t *rapid.T) {
			if len(seated) == 0 {
				t.Skip("nobody")
			}
			i := rapid.IntRange(0, len(seated)-1).Draw(t, "who")
			b.Leave(seated[i])
			seated[i] = seated[len(seated)-1]
			seated = seated[:len(seated)-1]
		},
	})
	join()
	publish()
	l.settle()
	for _, c := range seated {
		require.NotEmpty(t, c.got)
		require.Equal(t, published, c.got[len(c.got)-1].Available)
		for i := 1; i < len(c.got); i++ {
			require.Greater(t, c.got[i].Available, c.got[i-1].Available)
		}
	}
}
