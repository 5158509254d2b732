package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/protocol"
)

// app is a socket of a user. A goroutine reads what comes, another beats; tests take out what came by kind, in order.
type app struct {
	account *account
	conn    net.Conn
	welcome protocol.Welcome
	lastID  uint32
	running sync.WaitGroup

	mu      sync.Mutex
	inbox   []protocol.Frame // not yet taken
	closed  ws.StatusCode    // 0: up; 1006: cut without a close frame
	arrived chan struct{}    // closed and replaced whenever something changes
}

// connect opens a socket at the instance where the user signed in, and takes the welcome.
func (a *account) connect() *app { return a.connectAt(a.home) }

// connectAt opens a socket at another instance.
func (a *account) connectAt(at *instance) *app {
	a.w.t.Helper()
	c := a.dial(at, a.token)
	c.welcome = await[protocol.Welcome](c)
	if c.welcome.State == nil { // Postgres had no time for it
		c.welcome.State = c.do(protocol.StateGet{}).State
	}
	return c
}

// dial opens a socket and waits for nothing.
func (a *account) dial(at *instance, token string) *app {
	a.w.t.Helper()
	ctx, cancel := context.WithTimeout(a.w.t.Context(), patience)
	defer cancel()
	dialer := ws.Dialer{
		Protocols: []string{protocol.Subprotocol},
		Header:    ws.HandshakeHeaderHTTP(http.Header{"Authorization": {"Bearer " + token}}),
	}
	conn, buffered, _, err := dialer.Dial(ctx, "ws://"+at.program.PublicAddr().String()+"/ws")
	require.NoError(a.w.t, err)
	var from io.Reader = conn
	if buffered != nil {
		from = buffered // frames that came with the handshake's answer
	}
	c := &app{account: a, conn: conn, arrived: make(chan struct{})}
	gone := make(chan struct{})
	c.running.Go(func() {
		defer close(gone)
		c.read(from)
	})
	c.running.Go(func() { c.beat(gone) })
	a.w.t.Cleanup(c.cut)
	return c
}

// cut drops the connection without a word, as a lost network does.
func (c *app) cut() {
	c.conn.Close()
	c.running.Wait()
}

// leave closes the socket cleanly.
func (c *app) leave() {
	c.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	c.awaitClose()
	c.cut()
}

// beatEvery is how often apps show life, as protocol.md asks of them.
const beatEvery = 15 * time.Second

// beat shows life until the socket is gone: a test may take longer than the idle time.
func (c *app) beat(gone chan struct{}) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			frame := ws.NewBinaryFrame(protocol.Heartbeat{}.Append(nil, 0))
			_, _ = c.conn.Write(ws.MustCompileFrame(ws.MaskFrameInPlace(frame))) // read sees the end
		case <-gone:
			return
		}
	}
}

// read takes in whole frames (the gateway never fragments) until the socket closes, answering pings and the close.
func (c *app) read(from io.Reader) {
	for {
		head, err := ws.ReadHeader(from)
		payload := make([]byte, min(head.Length, 1<<20))
		if err == nil {
			_, err = io.ReadFull(from, payload)
		}
		if err != nil {
			c.change(func() { c.closed = ws.StatusAbnormalClosure })
			return
		}
		switch head.OpCode {
		case ws.OpPing:
			_, _ = c.conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewPongFrame(payload))))
		case ws.OpClose:
			_, _ = c.conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(payload))))
			code, _ := ws.ParseCloseFrameData(payload)
			c.change(func() { c.closed = code })
			return
		case ws.OpBinary:
			message, err := protocol.ParseFromServer(payload)
			if err != nil {
				c.change(func() { c.closed = ws.StatusInvalidFramePayloadData })
				return
			}
			c.change(func() { c.inbox = append(c.inbox, message) })
		}
	}
}

func (c *app) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.arrived)
	c.arrived = make(chan struct{})
}

// take removes the first frame that fits, waiting for it. false: it did not come, or the socket closed before.
func (c *app) take(fits func(protocol.Frame) bool) (protocol.Frame, bool) {
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		at := slices.IndexFunc(c.inbox, fits)
		if at >= 0 {
			frame := c.inbox[at]
			c.inbox = slices.Delete(c.inbox, at, at+1)
			c.mu.Unlock()
			return frame, true
		}
		closed, arrived := c.closed, c.arrived
		c.mu.Unlock()
		if closed != 0 {
			return protocol.Frame{}, false
		}
		select {
		case <-arrived:
		case <-deadline:
			return protocol.Frame{}, false
		}
	}
}

// message is a pointer to a message of the protocol.
type message[M any] interface {
	*M
	protocol.Message
}

// await takes the next event of a kind for which every condition holds; others of the kind before it are dropped.
func await[M any, P message[M]](c *app, conditions ...func(M) bool) M {
	c.account.w.t.Helper()
	for {
		var m M
		kind := P(&m).Kind()
		frame, ok := c.take(func(f protocol.Frame) bool { return f.Kind == kind && f.ID == 0 })
		require.True(c.account.w.t, ok, "no %s came; the socket's close code is %d", kind, c.closeCode())
		require.NoError(c.account.w.t, P(&m).Decode(frame.Body))
		if !slices.ContainsFunc(conditions, func(holds func(M) bool) bool { return !holds(m) }) {
			return m
		}
	}
}

// status is a condition of await: the session's status.
func status(want protocol.SessionStatus) func(protocol.SessionUpdate) bool {
	return func(m protocol.SessionUpdate) bool { return m.Session.Status == want }
}

// request is a message that a client may send.
type request interface {
	Append(dst []byte, id uint32) []byte
}

// do sends a request and gives its ack.
func (c *app) do(r request) protocol.Ack {
	c.account.w.t.Helper()
	frame, failure := c.ask(r)
	require.Equal(c.account.w.t, protocol.KindAck, frame.Kind, "%+v", failure)
	var ack protocol.Ack
	require.NoError(c.account.w.t, ack.Decode(frame.Body))
	return ack
}

// fail sends a request that is to be refused, and gives the error.
func (c *app) fail(r request) protocol.Error {
	c.account.w.t.Helper()
	frame, failure := c.ask(r)
	require.Equal(c.account.w.t, protocol.KindError, frame.Kind)
	return failure
}

// askAgain is the pause before a request that the gateway has no time for is sent again, within patience.
const askAgain = 250 * time.Millisecond

// ask sends a request and gives its answer, which is not "not now": the apps ask again then, and all requests bear it.
func (c *app) ask(r request) (frame protocol.Frame, failure protocol.Error) {
	c.account.w.t.Helper()
	for end := time.Now().Add(patience); ; {
		frame = c.answer(c.send(r))
		if frame.Kind != protocol.KindError {
			return frame, failure
		}
		if failure = c.failure(frame); !isNotNow(failure.Code) || time.Now().After(end) {
			return frame, failure
		}
		<-time.After(askAgain)
	}
}

func (c *app) failure(frame protocol.Frame) (failure protocol.Error) {
	c.account.w.t.Helper()
	require.NoError(c.account.w.t, failure.Decode(frame.Body))
	return failure
}

// isNotNow tells whether an app asks again.
func isNotNow(code protocol.ErrorCode) bool {
	return code == protocol.CodeUnavailable || code == protocol.CodeOverloaded
}

// send sends a request and gives its id; tell is for those that want no answer.
func (c *app) send(r request) uint32 {
	c.account.w.t.Helper()
	c.lastID++
	c.write(ws.NewBinaryFrame(r.Append(nil, c.lastID)))
	return c.lastID
}

func (c *app) tell(r request) {
	c.account.w.t.Helper()
	c.write(ws.NewBinaryFrame(r.Append(nil, 0)))
}

// write puts a frame out in one piece: the reader answers pings on the same connection.
func (c *app) write(frame ws.Frame) {
	c.account.w.t.Helper()
	_, err := c.conn.Write(ws.MustCompileFrame(ws.MaskFrameInPlace(frame)))
	require.NoError(c.account.w.t, err)
}

func (c *app) answer(id uint32) protocol.Frame {
	c.account.w.t.Helper()
	frame, ok := c.take(func(f protocol.Frame) bool { return f.ID == id })
	require.True(c.account.w.t, ok, "request %d was not answered; the socket's close code is %d", id, c.closeCode())
	return frame
}

func (c *app) closeCode() ws.StatusCode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// awaitClose waits for the end of the socket and gives its code.
func (c *app) awaitClose() protocol.CloseCode {
	c.account.w.t.Helper()
	c.take(func(protocol.Frame) bool { return false })
	require.NotZero(c.account.w.t, c.closeCode(), "the socket is still up")
	return protocol.CloseCode(c.closeCode())
}

// pending tells whether an event of the kind is there now.
func (c *app) pending(kind protocol.Kind) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.inbox, func(f protocol.Frame) bool { return f.Kind == kind && f.ID == 0 })
}
