package socket_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

// connectSlow opens a socket whose kernel takes little while nobody reads.
func connectSlow(t *testing.T, s *socket.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(64<<10))
	c := newClient(t, conn)
	c.send([]byte(upgradeHead))
	c.switched()
	return c
}

// block sends numbered messages until the connection's output is blocked, and gives how many.
func block(conn *socket.Conn) (n int) {
	message := make([]byte, 4096)
	for !socket.Blocked(conn) {
		binary.BigEndian.PutUint32(message, uint32(n))
		conn.Send(message)
		n++
	}
	return n
}

func (c *client) readBlock(n int) {
	c.t.Helper()
	for i := range n {
		f := c.frame()
		require.Len(c.t, f.Payload, 4096)
		require.EqualValues(c.t, i, binary.BigEndian.Uint32(f.Payload))
	}
}

func TestSlowReader(t *testing.T) {
	t.Parallel()

	t.Run("EverythingInOrder", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.OutboundQueueBytes = 64 << 20
		g := newGateway()
		s := serve(t, cfg, g)
		c := connectSlow(t, s)
		conn := within(t, g.opened)
		n := block(conn)
		for i := range 1000 {
			conn.Send(bytes.Repeat(fmt.Append(nil, i%10), i*3))
		}
		c.readBlock(n)
		for i := range 1000 {
			c.expect(ws.OpBinary, bytes.Repeat(fmt.Append(nil, i%10), i*3))
		}
		c.send(binaryFrame([]byte("and on")))
		c.expect(ws.OpBinary, []byte("and on"))
		require.False(t, socket.Blocked(conn))
	})

	t.Run("TooSlow", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		c, other := connectSlow(t, s), connect(t, s)
		conn := within(t, g.opened)
		n := block(conn)
		for len(g.closed) == 0 {
			message := make([]byte, 4096)
			binary.BigEndian.PutUint32(message, uint32(n))
			conn.Send(message)
			n++
			other.send(binaryFrame([]byte("x"))) // which does not notice
			other.expect(ws.OpBinary, []byte("x"))
		}
		require.Equal(t, socket.End{Code: 4201}, within(t, g.closed))
		// Reading at last, it gets what was queued before, whole, then the close frame.
		for i := 0; ; i++ {
			f := c.frame()
			if f.Header.OpCode == ws.OpClose {
				require.Equal(t, "\x10\x69slow consumer", string(f.Payload))
				require.Greater(t, i, 16) // 64 KiB of them
				break
			}
			require.EqualValues(t, i, binary.BigEndian.Uint32(f.Payload))
		}
		c.send(closeFrame(4201, ""))
		c.ends()
	})

	t.Run("TooSlowForTheCloseFrame", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.CloseTimeout = soon
		g := newGateway()
		s := serve(t, cfg, g)
		connectSlow(t, s)
		conn := within(t, g.opened)
		block(conn)
		conn.Close(4000, "")
		require.Equal(t, socket.End{Code: 4000}, within(t, g.closed))
		require.Eventually(t, func() bool { return s.Stats().Connections == 0 }, patience, time.Millisecond)
	})

	t.Run("LatestOnly", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		c := connectSlow(t, s)
		conn := within(t, g.opened)
		n := block(conn)
		conn.Send([]byte("before"))
		for i := range 1000 {
			conn.SendLatest(socket.Share(fmt.Append(nil, i)))
			if i == 500 {
				conn.Send([]byte("behind"))
			}
		}
		require.EqualValues(t, 999, s.Stats().LatestReplaced)
		c.readBlock(n)
		c.expect(ws.OpBinary, []byte("before"))
		c.expect(ws.OpBinary, []byte("999")) // in the place of the first
		c.expect(ws.OpBinary, []byte("behind"))
		c.send(masked(0x89, nil))
		c.expect(ws.OpPong, nil)
		conn.SendLatest(socket.Share([]byte("not blocked")))
		c.expect(ws.OpBinary, []byte("not blocked"))
	})

	t.Run("OnlyTheLatestPingWhileBlocked", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		seen := make(chan struct{})
		g.message = func(*socket.Conn, []byte) { close(seen) }
		s := serve(t, generous(), g)
		c := connectSlow(t, s)
		conn := within(t, g.opened)
		n := block(conn)
		for i := range 100 {
			c.send(masked(0x89, fmt.Append(nil, i)))
		}
		c.send(binaryFrame(nil))
		within(t, seen)
		c.readBlock(n)
		c.expect(ws.OpPong, []byte("99"))
		c.send(closeFrame(1000, ""))
		require.Equal(t, 1000, c.closes())
	})
}

// A flood of pings in few packets is answered whole while it is read, in few writes.
func TestPingFlood(t *testing.T) {
	t.Parallel()
	const n = 20_000
	s := serve(t, generous(), newGateway())
	c, other := connect(t, s), connect(t, s)
	flood := bytes.Repeat(masked(0x89, []byte("p")), n)
	go c.Write(flood)
	for i := range n {
		c.expect(ws.OpPong, []byte("p"))
		if i%1000 == 0 {
			other.send(binaryFrame([]byte("x")))
			other.expect(ws.OpBinary, []byte("x"))
		}
	}
}

// Many goroutines send, and one closes meanwhile: every frame is whole, and each goroutine's come in order.
func TestConcurrentSends(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 500
	cfg := generous()
	cfg.OutboundQueueBytes = 64 << 20
	g := newGateway()
	s := serve(t, cfg, g)
	c := connectSlow(t, s)
	conn := within(t, g.opened)
	shared := socket.Share([]byte("latest"))
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for i := range each {
				message := make([]byte, 200+i)
				message[0] = byte(sender)
				binary.BigEndian.PutUint32(message[1:], uint32(i))
				conn.Send(message)
				conn.SendLatest(shared)
				conn.SetDeadline(time.Now().Add(time.Hour))
			}
		})
	}
	go func() {
		wg.Wait()
		conn.Close(1000, "")
	}()
	next := [senders]uint32{}
	for {
		f := c.frame()
		if f.Header.OpCode == ws.OpClose {
			break
		}
		if string(f.Payload) == "latest" {
			continue
		}
		sender, i := f.Payload[0], binary.BigEndian.Uint32(f.Payload[1:])
		require.Equal(t, next[sender], i)
		require.Len(t, f.Payload, 200+int(i))
		next[sender]++
	}
	for sender := range senders {
		require.EqualValues(t, each, next[sender])
	}
}

// Whoever still holds a connection that is gone must never reach the one that got its descriptor.
func TestStaleConns(t *testing.T) {
	t.Parallel()
	g := newGateway()
	s := serve(t, generous(), g)
	var stale []*socket.Conn
	for range 100 {
		c := connect(t, s)
		stale = append(stale, within(t, g.opened))
		c.Close()
		within(t, g.closed)
		fresh := connect(t, s)
		within(t, g.opened)
		var wg sync.WaitGroup
		for _, conn := range stale[max(0, len(stale)-4):] {
			wg.Go(func() {
				conn.Send([]byte("stale"))
				conn.SendLatest(socket.Share([]byte("stale")))
				conn.SetDeadline(time.Now())
				conn.Close(4000, "stale")
			})
		}
		wg.Wait()
		fresh.send(masked(0x89, []byte("p")))
		fresh.expect(ws.OpPong, []byte("p"))
		fresh.send(closeFrame(1000, ""))
		require.Equal(t, 1000, fresh.closes())
		within(t, g.closed)
	}
}
