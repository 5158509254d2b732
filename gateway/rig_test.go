package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The pool's package starts one of its own with the program.
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// rig is a gateway on loopback over a made-up world.
type rig struct {
	*gateway.Server
	t      testing.TB
	world  *world
	tokens *tokens
	stop   func()
}

// newRig runs a gateway until the test ends. prepare may change the world before anything connects.
func newRig(t testing.TB, cfg gateway.Config, prepare func(*world)) *rig {
	t.Helper()
	if cfg.Socket.Loops == 0 {
		cfg.Socket.Loops = 2
	}
	w, tok := newWorld(), &tokens{known: map[string]core.Principal{}, broken: map[string]error{}}
	if prepare != nil {
		prepare(w)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	g := gateway.New(cfg, tok, time.Now, log)
	rest := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "rest") })
	require.NoError(t, g.Listen("127.0.0.1:0", gateway.Rooms{
		Presence: w, Pairing: w, Chat: w, Devices: w, Outbox: w, Bus: bus{w}, HTTP: rest,
	}))
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	var failed error
	run.Go(func() { failed = g.Run(ctx) })
	r := &rig{Server: g, t: t, world: w, tokens: tok}
	r.stop = sync.OnceFunc(func() {
		cancel()
		run.Wait()
		require.NoError(t, failed)
	})
	t.Cleanup(r.stop)
	return r
}

// idle waits until no worker is busy: a welcome or an answer is sent before its worker is free.
func (r *rig) idle() {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.Stats().Busy == 0 }, patience, time.Millisecond)
}

func principal(role core.UserType) core.Principal {
	return core.Principal{
		Type: role, ID: core.NewID[core.UserID](), Session: core.NewID[core.AuthSessionID](),
		ExpiresAt: time.Now().Add(time.Hour),
	}
}

// peer is an app.
type peer struct {
	t    testing.TB
	who  core.Principal
	conn net.Conn
	in   *bufio.Reader
}

// dial opens a socket with an Authorization field.
func (r *rig) dial(token string) *peer {
	r.t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	p, err := r.upgrade("/ws", header, protocol.Subprotocol)
	require.NoError(r.t, err)
	return p
}

func (r *rig) upgrade(path string, header http.Header, subprotocols ...string) (*peer, error) {
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header), Protocols: subprotocols, Timeout: patience}
	conn, in, hs, err := dialer.Dial(context.Background(), "ws://"+r.Addr().String()+path)
	if err != nil {
		return nil, err
	}
	require.Equal(r.t, protocol.Subprotocol, hs.Protocol)
	r.t.Cleanup(func() { conn.Close() })
	if in == nil {
		in = bufio.NewReader(conn)
	}
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(patience)))
	return &peer{t: r.t, conn: conn, in: in}, nil
}

// connect opens a socket for a new user and takes its welcome.
func (r *rig) connect(role core.UserType) *peer {
	r.t.Helper()
	return r.connectAs(principal(role))
}

func (r *rig) connectAs(who core.Principal) *peer {
	r.t.Helper()
	p := r.dial(r.tokens.issue(who))
	p.who = who
	p.welcome()
	return p
}

func (p *peer) welcome() protocol.Welcome {
	p.t.Helper()
	var m protocol.Welcome
	p.expect(&m, 0)
	return m
}

func (p *peer) send(m protocol.Message, id uint32) {
	p.t.Helper()
	p.frame(ws.NewBinaryFrame(m.Append(nil, id)))
}

func (p *peer) frame(f ws.Frame) {
	p.t.Helper()
	require.NoError(p.t, ws.WriteFrame(p.conn, ws.MaskFrame(f)))
}

// closed is the error of a socket that was closed with a code.
type closed struct{ code protocol.CloseCode }

func (c closed) Error() string { return "closed" }

// read gives the next message; pings are answered, a close frame is an error.
func (p *peer) read() ([]byte, error) {
	for {
		head, err := ws.ReadHeader(p.in)
		if err != nil {
			return nil, err
		}
		payload := make([]byte, head.Length)
		if _, err := io.ReadFull(p.in, payload); err != nil {
			return nil, err
		}
		switch head.OpCode {
		case ws.OpBinary:
			return payload, nil
		case ws.OpPing:
			p.frame(ws.NewPongFrame(payload))
		case ws.OpClose:
			code, _ := ws.ParseCloseFrameData(payload)
			return nil, closed{protocol.CloseCode(code)}
		}
	}
}

// next is the next message.
func (p *peer) next() protocol.Frame {
	p.t.Helper()
	msg, err := p.read()
	require.NoError(p.t, err)
	f, err := protocol.ParseFromServer(msg)
	require.NoError(p.t, err)
	return f
}

// expect takes the next message, which must be of m's kind and have the id.
func (p *peer) expect(m protocol.Message, id uint32) {
	p.t.Helper()
	f := p.next()
	if f.Kind == protocol.KindError && m.Kind() != protocol.KindError {
		var failure protocol.Error
		require.NoError(p.t, failure.Decode(f.Body))
		require.Failf(p.t, "error", "%+v", failure)
	}
	require.Equal(p.t, m.Kind(), f.Kind)
	require.Equal(p.t, id, f.ID)
	require.NoError(p.t, m.Decode(f.Body))
}

// fails takes the next message, which must be an error of that code.
func (p *peer) fails(id uint32, code protocol.ErrorCode) protocol.Error {
	p.t.Helper()
	var m protocol.Error
	p.expect(&m, id)
	require.Equal(p.t, code, m.Code)
	return m
}

// ends reads until the socket is closed and gives the code.
func (p *peer) ends() protocol.CloseCode {
	p.t.Helper()
	for {
		_, err := p.read()
		if err == nil {
			continue
		}
		var c closed
		require.True(p.t, errors.As(err, &c), "%v", err)
		return c.code
	}
}

// beats sends a heartbeat and takes its ack: what was sent to this socket before has come before it.
func (p *peer) beats(id uint32) {
	p.t.Helper()
	p.send(&protocol.Heartbeat{}, id)
	p.expect(new(protocol.Ack), id)
}

// hangUp closes the socket as an app does.
func (p *peer) hangUp(code ws.StatusCode) {
	p.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
	_ = p.ends()
	p.conn.Close()
}
