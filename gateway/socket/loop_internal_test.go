package socket

import (
	"log/slog"
	"net"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

// echo is the least that a Handler can be.
type echo struct{}

func (echo) Upgrade(*Request) Verdict         { return Verdict{} }
func (echo) Open(*Conn)                       {}
func (echo) Message(c *Conn, msg []byte)      { c.Send(msg) }
func (echo) RateLimited(*Conn, []byte) []byte { return nil }
func (echo) Alive(*Conn)                      {}
func (echo) Deadline(*Conn)                   {}
func (echo) Closed(*Conn, End)                {}

// rig is a loop whose turns the test takes itself, and the peer's end of one open connection.
type rig struct {
	loop *loop
	conn *Conn
	peer int
	buf  [64 << 10]byte
}

func newRig(t testing.TB) *rig {
	cfg, err := Config{Loops: 1, FramesPerSecond: maxFrames}.withDefaults(1)
	require.NoError(t, err)
	s := &Server{cfg: cfg, handler: echo{}, log: slog.New(slog.DiscardHandler), limit: 10, http: newHTTPListener(nil)}
	s.storm.interval = time.Microsecond
	l, err := newLoop(s, 0, -1)
	require.NoError(t, err)
	s.loops = append(s.loops, l)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(pair[0], true))
	r := &rig{loop: l, peer: pair[1]}
	r.conn = l.admit(pair[0])
	t.Cleanup(func() {
		l.shut()
		l.Poller().Close()
		unix.Close(r.peer)
	})
	r.send(t, []byte("GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
	require.Contains(t, string(r.receive(t)), "101 Switching Protocols")
	require.Equal(t, phaseOpen, r.conn.phase)
	return r
}

// send writes as the peer and lets the loop read.
func (r *rig) send(t testing.TB, b []byte) {
	if _, err := unix.Write(r.peer, b); err != nil {
		t.Fatal(err)
	}
	r.loop.read(r.conn)
}

func (r *rig) receive(t testing.TB) []byte {
	n, err := unix.Read(r.peer, r.buf[:])
	if err != nil {
		t.Fatal(err)
	}
	return r.buf[:n]
}

var heartbeat = []byte{0x82, 0x83, 1, 2, 3, 4, 0x92 ^ 1, 0x01 ^ 2, 0x00 ^ 3}

// What an idle connection costs, on which the memory of a hundred thousand depends.
func TestIdleConnIsSmall(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, unsafe.Sizeof(Conn{}), uintptr(96))
	r := newRig(t)
	for _, b := range heartbeat { // a frame that comes in pieces borrows, and gives back
		require.Nil(t, r.conn.out)
		r.send(t, []byte{b})
	}
	require.Equal(t, "\x82\x03\x92\x01\x00", string(r.receive(t)))
	require.Nil(t, r.conn.in)
	require.Nil(t, r.conn.out)
	r.send(t, append([]byte{0x02, 0x80, 0, 0, 0, 0}, 0x80))
	require.NotNil(t, r.conn.in)
	r.send(t, []byte{0x81, 0, 0, 0, 0, 'x'})
	require.Nil(t, r.conn.in)
}

// Accepted connections inherit what is set on the listener.
func TestSocketOptions(t *testing.T) {
	t.Parallel()
	fds, addr, err := bind("127.0.0.1:0", 2)
	require.NoError(t, err)
	defer closeAll(fds)
	client, err := net.Dial("tcp", addr.String())
	require.NoError(t, err)
	defer client.Close()
	ready := []unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}, {Fd: int32(fds[1]), Events: unix.POLLIN}}
	_, err = unix.Poll(ready, 10_000)
	require.NoError(t, err)
	for _, listener := range ready {
		if listener.Revents == 0 {
			continue
		}
		fd, err := epoll.Accept(int(listener.Fd))
		require.NoError(t, err)
		defer unix.Close(fd)
		noDelay, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
		require.NoError(t, err)
		require.NotZero(t, noDelay)
		requireUserTimeout(t, fd)
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		require.NoError(t, err)
		require.NotZero(t, flags&unix.O_NONBLOCK)
		return
	}
	t.Fatal("no connection came")
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b := bucket{interval: time.Second / 10}
	now := time.Unix(1_000_000, 0)
	take := func() (n int) {
		for b.take(now) {
			n++
		}
		return n
	}
	require.Equal(t, 20, take())
	now = now.Add(500 * time.Millisecond)
	require.Equal(t, 5, take())
	now = now.Add(time.Hour)
	require.Equal(t, 20, take())
}

func TestCredit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.loop.server.cfg.FramesPerSecond = 3
	r.conn.credit, r.conn.credited = burst*3*messageCost, 0
	spend := func() (n int) {
		for r.loop.spend(r.conn) {
			n++
		}
		return n
	}
	require.Equal(t, 6, spend())
	require.False(t, r.loop.spend(r.conn))
}
