package socket_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

// soon is a time-out that a test waits for.
const soon = 150 * time.Millisecond

func TestPipelined(t *testing.T) {
	t.Parallel()
	const n = 1000
	frames := []byte(upgradeHead)
	for i := range n {
		frames = append(frames, binaryFrame(fmt.Append(nil, i))...)
	}
	g := newGateway()
	s := serve(t, generous(), g)
	c := dial(t, s)
	c.send(frames) // the first of them come in one packet with the request
	c.switched()
	for i := range n {
		c.expect(ws.OpBinary, fmt.Append(nil, i))
	}
	require.EqualValues(t, n, s.Stats().Messages)
	require.EqualValues(t, n, s.Stats().MessagesOut)
	require.Less(t, g.alive.Load(), int64(n/2)) // once a read, not once a frame
}

// Half frames and half heads of hundreds of sockets must not be noticed by others.
func TestHalfFrames(t *testing.T) {
	t.Parallel()
	s := serve(t, generous(), newGateway())
	frame := binaryFrame(bytes.Repeat([]byte{'h'}, 1000))
	half := make([]*client, 300)
	for i := range half {
		half[i] = connect(t, s)
		half[i].send(frame[:1+i*3])
	}
	live := connect(t, s)
	for i := range 100 {
		live.send(binaryFrame(fmt.Append(nil, i)))
		live.expect(ws.OpBinary, fmt.Append(nil, i))
	}
	for i, c := range half {
		c.send(frame[1+i*3:])
		c.expect(ws.OpBinary, bytes.Repeat([]byte{'h'}, 1000))
	}
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("Ours", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		c := connect(t, s)
		conn := within(t, g.opened)
		conn.Send([]byte("before"))
		conn.Close(4000, "replaced")
		conn.Send([]byte("behind"))
		conn.Close(4001, "never seen")
		require.Equal(t, socket.End{Code: 4000}, within(t, g.closed))
		c.expect(ws.OpBinary, []byte("before"))
		f := c.frame()
		require.Equal(t, ws.OpClose, f.Header.OpCode)
		require.Equal(t, "\x0f\xa0replaced", string(f.Payload))

		c.send(cat(binaryFrame([]byte("not delivered")), masked(0x02, nil), masked(0x89, nil), closeFrame(4000, "")))
		c.ends()
		c.Close()
		require.Eventually(t, func() bool { return s.Stats().Connections == 0 }, patience, time.Millisecond)
		require.Zero(t, s.Stats().Messages)
		require.Equal(t, map[uint16]uint64{4000: 1}, s.Stats().Closed)
		require.Empty(t, g.closed)
	})

	t.Run("LongReasonIsCut", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		c := connect(t, s)
		within(t, g.opened).Close(1000, string(bytes.Repeat([]byte("é"), 100)))
		require.Equal(t, "\x03\xe8"+string(bytes.Repeat([]byte("é"), 61)), string(c.frame().Payload))
	})

	t.Run("FromWithinMessage", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		delivered := 0
		g.message = func(c *socket.Conn, _ []byte) {
			delivered++
			c.Close(4102, "")
			require.Empty(t, g.closed) // never from within Close
		}
		s := serve(t, generous(), g)
		c := connect(t, s)
		c.send(cat(binaryFrame([]byte("a")), binaryFrame([]byte("b")))) // in one read
		require.Equal(t, socket.End{Code: 4102}, within(t, g.closed))
		require.Equal(t, 1, delivered)
		require.Equal(t, ws.OpClose, c.frame().Header.OpCode)
	})

	t.Run("NeverAnswered", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.CloseTimeout = soon
		g := newGateway()
		s := serve(t, cfg, g)
		c := connect(t, s)
		began := time.Now()
		within(t, g.opened).Close(1012, "service restart")
		require.Equal(t, 1012, c.closes()) // up to the end of the stream
		require.GreaterOrEqual(t, time.Since(began), soon)
		require.Eventually(t, func() bool { return s.Stats().Connections == 0 }, patience, time.Millisecond)
	})

	t.Run("PeerNeverHangsUp", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.CloseTimeout = soon
		g := newGateway()
		s := serve(t, cfg, g)
		c := connect(t, s)
		c.send(closeFrame(1000, ""))
		require.Equal(t, 1000, c.closes())
		require.Equal(t, socket.End{Code: 1000, ByPeer: true, Clean: true}, within(t, g.closed))
		require.Eventually(t, func() bool { return s.Stats().Connections == 0 }, patience, time.Millisecond)
	})

	t.Run("BothAtOnce", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		g.message = func(c *socket.Conn, _ []byte) { c.Close(4001, "") }
		s := serve(t, generous(), g)
		c := connect(t, s)
		c.send(cat(binaryFrame(nil), closeFrame(1000, "")))
		require.Equal(t, 4001, c.closes())
		require.Equal(t, socket.End{Code: 4001}, within(t, g.closed))
	})

	for name, broken := range map[string]func(c *client){
		"Reset": func(c *client) { c.Conn.(*net.TCPConn).SetLinger(0); c.Close() },
		"EOF":   func(c *client) { c.Close() },
		"EOFInAFrame": func(c *client) {
			c.send(binaryFrame([]byte("abc"))[:5])
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway()
			s := serve(t, generous(), g)
			c := connect(t, s)
			within(t, g.opened)
			broken(c)
			require.Equal(t, socket.End{Code: 1006, ByPeer: true}, within(t, g.closed))
		})
	}

	t.Run("NoStatus", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		connect(t, s).send(masked(0x88, nil))
		require.Equal(t, socket.End{Code: 1005, ByPeer: true}, within(t, g.closed))
	})

	t.Run("PanicInClosed", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), &panicking{gateway: g})
		c, other := connect(t, s), connect(t, s)
		within(t, g.opened).Close(4000, "")
		require.Equal(t, ws.OpClose, c.frame().Header.OpCode)
		c.Close()
		other.send(masked(0x89, nil))
		other.expect(ws.OpPong, nil)
		require.EqualValues(t, 1, s.Stats().Panics)
	})

	t.Run("Panic", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		g.message = func(*socket.Conn, []byte) { panic("broken") }
		s := serve(t, generous(), g)
		c, other := connect(t, s), connect(t, s)
		c.send(binaryFrame(nil))
		require.Equal(t, 1011, c.closes())
		require.Equal(t, socket.End{Code: 1011}, within(t, g.closed))
		other.send(masked(0x89, nil))
		other.expect(ws.OpPong, nil)
	})
}

// panicking is a Handler whose Closed panics, once.
type panicking struct {
	*gateway
	done atomic.Bool
}

func (p *panicking) Closed(c *socket.Conn, end socket.End) {
	if p.done.CompareAndSwap(false, true) {
		panic("broken")
	}
	p.gateway.Closed(c, end)
}

func TestDeadlines(t *testing.T) {
	t.Parallel()

	t.Run("Idle", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.IdleTimeout, cfg.CloseTimeout = 2*soon, soon
		g := newGateway()
		s := serve(t, cfg, g)
		live := connect(t, s)
		began := time.Now()
		silent, half := connect(t, s), connect(t, s)
		frame := binaryFrame(make([]byte, 1<<10))
		ended := make(chan int, 2)
		go func() { ended <- silent.closes() }()
		go func() { ended <- half.closes() }()
		for range 2 {
			for code := 0; code == 0; {
				live.send(masked(0x89, nil)) // any frame counts as life
				live.expect(ws.OpPong, nil)
				if len(frame) > 1 {
					half.Write(frame[:1]) // but not a part of one
					frame = frame[1:]
				}
				select {
				case code = <-ended:
					require.Equal(t, 4200, code)
				case <-time.After(time.Millisecond):
				}
			}
			require.Equal(t, socket.End{Code: 4200, Idle: true}, within(t, g.closed))
		}
		require.GreaterOrEqual(t, time.Since(began), cfg.IdleTimeout)
		require.Empty(t, g.closed)
	})

	t.Run("Retired", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.MaxAge, cfg.CloseTimeout = soon, soon
		g := newGateway()
		s := serve(t, cfg, g)
		began := time.Now()
		require.Equal(t, 4203, connect(t, s).closes())
		require.GreaterOrEqual(t, time.Since(began), soon*9/10)
		require.Equal(t, socket.End{Code: 4203}, within(t, g.closed))
	})

	t.Run("Application", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		fired := make(chan time.Time, 10)
		g.deadline = func(*socket.Conn) { fired <- time.Now() }
		s := serve(t, generous(), g)
		connect(t, s)
		conn := within(t, g.opened)

		at := time.Now().Add(soon)
		conn.SetDeadline(at)
		require.False(t, within(t, fired).Before(at))

		conn.SetDeadline(time.Now().Add(-time.Hour)) // past: at once
		within(t, fired)

		conn.SetDeadline(time.Now().Add(time.Hour))
		at = time.Now().Add(soon)
		conn.SetDeadline(at) // earlier takes its place
		require.False(t, within(t, fired).Before(at))

		conn.SetDeadline(time.Now().Add(soon))
		at = time.Now().Add(2 * soon)
		conn.SetDeadline(at) // so does later
		require.False(t, within(t, fired).Before(at))

		conn.SetDeadline(time.Now().Add(soon))
		conn.SetDeadline(time.Time{})
		other := within(t, openOther(t, s, g))
		other.SetDeadline(time.Now().Add(2 * soon))
		within(t, fired) // the other's, which is later
		require.Empty(t, fired)
	})
}

func openOther(t *testing.T, s *socket.Server, g *gateway) <-chan *socket.Conn {
	connect(t, s)
	return g.opened
}

func TestRateLimit(t *testing.T) {
	t.Parallel()

	t.Run("FirstAnErrorThenClosed", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.FramesPerSecond = 5
		g := newGateway()
		g.limited = func(_ *socket.Conn, msg []byte) []byte { return append([]byte("slow down "), msg...) }
		s := serve(t, cfg, g)
		c := connect(t, s)
		flood := bytes.Repeat(binaryFrame([]byte("m")), 100)
		c.send(flood)
		for range 10 {
			c.expect(ws.OpBinary, []byte("m"))
		}
		answers := map[string]int{}
		for {
			f := c.frame()
			if f.Header.OpCode == ws.OpClose {
				require.Equal(t, "\x10\x6arate limited", string(f.Payload))
				break
			}
			answers[string(f.Payload)]++
		}
		require.GreaterOrEqual(t, answers["slow down m"], 9)
		require.LessOrEqual(t, answers["m"], 5) // the bucket refills meanwhile
		require.Equal(t, socket.End{Code: 4202}, within(t, g.closed))
	})

	t.Run("ControlFramesAndFragmentsCostNothing", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.FramesPerSecond = 1
		s := serve(t, cfg, newGateway())
		c := connect(t, s)
		c.send(bytes.Repeat(masked(0x89, []byte("p")), 100))
		c.send(bytes.Repeat(masked(0x8a, nil), 100))
		c.send(cat(masked(0x02, nil), bytes.Repeat(masked(0x00, []byte("f")), 50), masked(0x80, nil)))
		for range 100 {
			c.expect(ws.OpPong, []byte("p"))
		}
		c.expect(ws.OpBinary, bytes.Repeat([]byte("f"), 50))
		require.Zero(t, s.Stats().RateLimited)
	})
}

// Nothing of hundreds of connections of every kind may stay behind (goroutines: TestMain). Not parallel: it counts the
// process's descriptors.
func TestLeaks(t *testing.T) {
	round := func(n int) {
		t.Run("round", func(t *testing.T) {
			s := serve(t, generous(), newGateway())
			web(t, s, http.NotFoundHandler())
			for i := range n {
				switch i % 5 {
				case 0:
					c := connect(t, s)
					c.send(closeFrame(1000, ""))
					c.closes()
				case 1:
					connect(t, s).Close()
				case 2:
					c := dial(t, s)
					c.send([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
					c.response()
				case 3:
					c := dial(t, s)
					c.send([]byte(request("-Host")))
					c.response()
				case 4:
					connect(t, s) // left open
				}
			}
		})
	}
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			entries, err = os.ReadDir("/dev/fd")
		}
		require.NoError(t, err)
		return len(entries)
	}
	round(5) // what the runtime itself opens once
	files := descriptors()
	round(500)
	require.Eventually(t, func() bool { return descriptors() <= files }, patience, 10*time.Millisecond)
}
