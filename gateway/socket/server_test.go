package socket_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test: generous, since it is only spent by what fails.
const patience = 20 * time.Second

// gateway is a Handler made of functions; without one it echoes messages. What it is told it passes on through channels.
type gateway struct {
	upgrade  func(r *socket.Request) socket.Verdict
	open     func(c *socket.Conn)
	message  func(c *socket.Conn, msg []byte)
	limited  func(c *socket.Conn, msg []byte) []byte
	deadline func(c *socket.Conn)

	alive  atomic.Int64
	opened chan *socket.Conn
	closed chan socket.End
}

func newGateway() *gateway {
	return &gateway{opened: make(chan *socket.Conn, 4096), closed: make(chan socket.End, 4096)}
}

func (g *gateway) Upgrade(r *socket.Request) socket.Verdict {
	if g.upgrade != nil {
		return g.upgrade(r)
	}
	return socket.Verdict{}
}

func (g *gateway) Open(c *socket.Conn) {
	if g.open != nil {
		g.open(c)
	}
	g.opened <- c
}

func (g *gateway) Message(c *socket.Conn, msg []byte) {
	if g.message != nil {
		g.message(c, msg)
		return
	}
	c.Send(msg)
}

func (g *gateway) RateLimited(c *socket.Conn, msg []byte) []byte {
	if g.limited != nil {
		return g.limited(c, msg)
	}
	return nil
}

func (g *gateway) Alive(*socket.Conn) { g.alive.Add(1) }

func (g *gateway) Deadline(c *socket.Conn) {
	if g.deadline != nil {
		g.deadline(c)
	}
}

func (g *gateway) Closed(_ *socket.Conn, end socket.End) { g.closed <- end }

// serve runs a server until the test ends.
func serve(t testing.TB, cfg socket.Config, g socket.Handler) *socket.Server {
	t.Helper()
	s, err := socket.Listen(cfg, "127.0.0.1:0", g, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.Zero(t, s.Stats().Connections)
		require.Zero(t, s.Stats().Pending)
	})
	return s
}

// generous is a configuration whose rates no test reaches by accident.
func generous() socket.Config {
	return socket.Config{Loops: 2, FramesPerSecond: 1_000_000, AcceptsPerSecond: 100_000}
}

const key = "dGhlIHNhbXBsZSBub25jZQ=="

const upgradeHead = "GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"

// client is the other end, in raw bytes.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func dial(t testing.TB, s *socket.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	return newClient(t, conn)
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &client{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

// connect opens a socket.
func connect(t testing.TB, s *socket.Server) *client {
	t.Helper()
	c := dial(t, s)
	c.send([]byte(upgradeHead))
	c.switched()
	return c
}

func (c *client) send(b []byte) {
	c.t.Helper()
	_, err := c.Write(b)
	require.NoError(c.t, err)
}

func (c *client) response() *http.Response {
	c.t.Helper()
	response, err := http.ReadResponse(c.r, nil)
	require.NoError(c.t, err)
	return response
}

func (c *client) switched() *http.Response {
	c.t.Helper()
	response := c.response()
	require.Equal(c.t, http.StatusSwitchingProtocols, response.StatusCode)
	require.Equal(c.t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", response.Header.Get("Sec-WebSocket-Accept"))
	return response
}

// frame reads one frame of the server, which must be well-formed.
func (c *client) frame() ws.Frame {
	c.t.Helper()
	f, err := c.readFrame()
	require.NoError(c.t, err)
	return f
}

func (c *client) readFrame() (ws.Frame, error) {
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return ws.Frame{}, err
	}
	if err := ws.CheckHeader(h, ws.StateClientSide); err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.r, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

func (c *client) expect(op ws.OpCode, payload []byte) {
	c.t.Helper()
	f := c.frame()
	require.Equal(c.t, op, f.Header.OpCode)
	require.Equal(c.t, string(payload), string(f.Payload))
}

// closes reads up to the server's close frame and gives its code, 1005 for none. Nothing may follow it.
func (c *client) closes() int {
	c.t.Helper()
	for {
		f := c.frame()
		if f.Header.OpCode != ws.OpClose {
			continue
		}
		code := 1005
		if len(f.Payload) > 0 {
			code = int(binary.BigEndian.Uint16(f.Payload))
		}
		c.ends()
		return code
	}
}

// ends reads the end of the stream.
func (c *client) ends() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	require.True(c.t, err == nil || errors.Is(err, syscall.ECONNRESET), "%v", err)
	require.Empty(c.t, rest)
}

var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// masked is a client's frame; op may carry the FIN and RSV bits.
func masked(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	payload = bytes.Clone(payload)
	ws.Cipher(payload, mask, 0)
	return append(b, payload...)
}

func binaryFrame(payload []byte) []byte { return masked(0x82, payload) }

func closeFrame(code uint16, reason string) []byte {
	return masked(0x88, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

// within waits for a value.
func within[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

func TestServer(t *testing.T) {
	t.Parallel()

	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		c := connect(t, s)
		within(t, g.opened)
		c.send(binaryFrame([]byte{0x92, 1, 0}))
		c.expect(ws.OpBinary, []byte{0x92, 1, 0})
		require.EqualValues(t, 1, s.Stats().Connections)
		c.send(closeFrame(1000, "bye"))
		require.Equal(t, 1000, c.closes())
		require.Equal(t, socket.End{Code: 1000, ByPeer: true, Clean: true}, within(t, g.closed))
	})

	t.Run("RequestAsSeenByHandler", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		seen := make(chan map[string]string, 1)
		g.upgrade = func(r *socket.Request) socket.Verdict {
			offered := ""
			for name := range r.Subprotocols() {
				offered += string(name) + ";"
			}
			seen <- map[string]string{
				"authorization": string(r.Authorization()), "target": string(r.Target()), "origin": string(r.Origin()),
				"x-forwarded-for": string(r.Header("x-forwarded-for")), "offered": offered,
			}
			return socket.Verdict{Subprotocol: "bestie.v1.msgpack", State: "mine"}
		}
		cfg := generous()
		cfg.AllowedOrigins = []string{"https://app.example.org"}
		s := serve(t, cfg, g)
		c := dial(t, s)
		c.send([]byte("GET /ws?a=b HTTP/1.1\r\nhost: example.org\r\nUPGRADE: WebSocket, other\r\nConnection: keep-alive\r\n" +
			"connection:  x , uPgRaDe\t\r\nSec-WebSocket-Key:" + key + "\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Protocol: a, bestie.v1.msgpack\r\nsec-websocket-protocol: bearer.x.y-_z,,\r\n" +
			"Authorization: Bearer abc\r\nOrigin: HTTPS://app.Example.org\r\nX-Forwarded-For: 10.0.0.1\r\nX-Empty:\r\n" +
			"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"))
		response := c.switched()
		require.Equal(t, []string{"bestie.v1.msgpack"}, response.Header.Values("Sec-WebSocket-Protocol"))
		require.Empty(t, response.Header.Values("Sec-WebSocket-Extensions"))
		require.Equal(t, map[string]string{
			"authorization": "Bearer abc", "target": "/ws?a=b", "origin": "HTTPS://app.Example.org", "x-forwarded-for": "10.0.0.1",
			"offered": "a;bestie.v1.msgpack;bearer.x.y-_z;",
		}, within(t, seen))
		require.Equal(t, "mine", within(t, g.opened).State())
	})

	t.Run("EndOfRunClosesEverything", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s, err := socket.Listen(generous(), "127.0.0.1:0", g, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		c, silent := connect(t, s), dial(t, s)
		conn := within(t, g.opened)
		c.send(binaryFrame([]byte("x")))
		c.expect(ws.OpBinary, []byte("x"))
		cancel()
		require.NoError(t, within(t, done))
		require.Equal(t, 1001, c.closes())
		silent.ends()
		require.Equal(t, socket.End{Code: 1001}, within(t, g.closed))
		_, err = s.HTTP().Accept()
		require.ErrorIs(t, err, net.ErrClosed)

		conn.Send([]byte("too late"))
		conn.Close(1000, "")
		conn.SetDeadline(time.Now())
		s.Post(0, func() { t.Error("posted after the end") })
	})

	t.Run("NeverRun", func(t *testing.T) {
		t.Parallel()
		s, err := socket.Listen(generous(), "127.0.0.1:0", newGateway(), slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(t, s.Run(ended))
		_, err = net.Dial("tcp", s.Addr().String())
		require.Error(t, err)
	})

	t.Run("ErrPortTaken", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		_, err := socket.Listen(generous(), s.Addr().String(), newGateway(), slog.New(slog.DiscardHandler))
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	})

	t.Run("ErrConfig", func(t *testing.T) {
		t.Parallel()
		for _, cfg := range []socket.Config{
			{Path: "ws"}, {Path: "/a b"}, {Loops: -1}, {MaxMessageBytes: 1}, {FramesPerSecond: 1 << 24}, {MaxAge: -1}, {IdleTimeout: -1},
		} {
			_, err := socket.Listen(cfg, "127.0.0.1:0", newGateway(), slog.New(slog.DiscardHandler))
			require.Error(t, err, "%+v", cfg)
		}
		_, err := socket.Listen(socket.Config{}, "nonsense", newGateway(), slog.New(slog.DiscardHandler))
		require.Error(t, err)
	})

	t.Run("EachAndPost", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		const n = 600 // more than a slice
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = connect(t, s)
			within(t, g.opened)
		}
		visited, other := make(chan *socket.Conn, n), make(chan *socket.Conn, n)
		frame := socket.Share([]byte("count"))
		for loop := range s.Loops() {
			s.Each(loop, func(c *socket.Conn) bool {
				require.Equal(t, loop, c.Loop())
				c.SendLatest(frame)
				visited <- c
				return true
			})
			s.Each(loop, func(c *socket.Conn) bool {
				other <- c
				return false
			})
		}
		for _, c := range clients {
			c.expect(ws.OpBinary, []byte("count"))
		}
		require.Len(t, visited, n)
		for loop := range s.Loops() {
			ran := make(chan struct{})
			s.Post(loop, func() { panic("recovered") })
			s.Post(loop, func() { close(ran) })
			within(t, ran)
		}
		require.LessOrEqual(t, len(other), s.Loops())
		require.EqualValues(t, s.Loops(), s.Stats().Panics)
	})
}
