package socket

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

// phase is where a connection is in its life: see the package comment.
type phase uint8

const (
	phaseHead    phase = iota // the request head is being gathered
	phaseOpen                 // messages both ways
	phaseClosing              // our close frame is out, the peer's answer is not there
	phaseLinger               // nothing more is said or listened to; waits for the peer to read it all and hang up
	phaseGone                 // the descriptor is no longer ours
)

// Conn is one WebSocket connection. Its methods may be called from any goroutine, at any time, and never block; after
// the connection's end they do nothing.
//
// Idle it takes 96 bytes, without anything of its own behind the two pointers. A field more moves it to the next size class, of 112
// bytes.
type Conn struct {
	// Fixed before Open.
	loop    *loop
	state   any
	counted bool  // among Stats.Connections
	key     int32 // in loop.conns, in the poller and in the wheel

	// The loop's own.
	in       *inbox     // nil unless a frame, a message or the head is incomplete
	alive    epoll.Tick // when the last whole frame came
	limit    epoll.Tick // when the phase is over at the latest: head timed out, open retired, closing and linger cut; 0 never
	look     epoll.Tick // of the valid entry in the wheel; 0 none
	credited epoll.Tick // when credit was added last
	credit   uint32     // of the rate limit, in tenths of a message
	excess   uint16     // messages over the rate since the credit was last full
	phase    phase
	told     bool // Closed was called, or there was no Open

	// Atomic.
	deadline atomic.Uint32 // the application's, a Tick; 0 none
	ending   atomic.Bool   // no more messages either way; written under mu

	// Behind mu, which is held while a few non-blocking writes last.
	mu     sync.Mutex
	out    *outbox // nil unless the kernel took less than we had
	fd     int32   // -1 once closed, so that nobody writes into a descriptor that was given out anew; written by the loop
	code   uint16  // how it ends, once ending: End.Code
	byPeer bool    // and End.ByPeer
	corked bool    // what is sent gathers in loop.cork; written by the loop
}

// inbox is what of the peer's bytes waits for more.
type inbox struct {
	rest       []byte // of the stream, behind the last whole frame
	message    []byte // fragments
	fragmented bool   // the last fragment is still to come
}

// State is the verdict's State: the gateway's own part of the connection, fixed before Open.
func (c *Conn) State() any { return c.state }

// Loop is the number of the connection's loop, fixed.
func (c *Conn) Loop() int { return c.loop.index }

// SetDeadline sets the one deadline of the application: Handler.Deadline is called then, once, never early and at most
// two tenths of a second late; a later call takes its place, the zero time takes it away.
func (c *Conn) SetDeadline(t time.Time) {
	if t.IsZero() {
		c.deadline.Store(0)
		return
	}
	c.deadline.Store(uint32(c.loop.Clock(t) + 1))
	c.loop.Post(c.arm)
}

// Close sends a close frame behind all that was sent before, and cuts the connection when the peer has not answered it within
// CloseTimeout. Closed is called from the loop, soon, and never from within Close.
func (c *Conn) Close(code uint16, reason string) {
	if c.finish(code, reason, false) {
		c.loop.Post(c.finished)
	}
}

// finish decides how the connection ends, if that is not decided yet, and queues the close frame. The loop's part, finished,
// must follow.
func (c *Conn) finish(code uint16, reason string, byPeer bool) (first bool) {
	var buf [ws.MaxHeaderSize + ws.MaxControlFramePayloadSize]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 || c.ending.Load() {
		return false
	}
	c.code, c.byPeer = code, byPeer
	c.ending.Store(true)
	c.put(appendClose(buf[:0], code, reason), ordered)
	return true
}

// finished is the loop's part of the end: the handler is told, and the peer has CloseTimeout for its part.
func (c *Conn) finished() {
	defer c.loop.recovered(c)
	if c.phase == phaseOpen {
		c.enter(phaseClosing)
	}
	c.tell()
}

// close is Close for the loop itself, with no handler's method on the way.
func (c *Conn) close(code uint16, reason string) {
	if c.finish(code, reason, false) {
		c.finished()
	}
}

// fail ends the connection for what the peer did wrong or for a limit of ours. What it sends after that is not looked at.
// In the loop, with no handler's method on the way.
func (c *Conn) fail(code uint16, reason string) {
	c.finish(code, reason, false)
	c.linger()
	c.tell()
}

// linger waits for the peer to read what it was sent and to hang up. To close at once with unread bytes of the peer in
// the kernel would make it send a reset, and a reset may overtake our close frame.
func (c *Conn) linger() {
	c.in = nil
	c.enter(phaseLinger)
	if c.flush() {
		c.hangUp()
	}
}

func (c *Conn) hangUp() {
	if c.fd >= 0 {
		unix.Shutdown(int(c.fd), unix.SHUT_WR)
	}
}

// enter begins one of the last phases.
func (c *Conn) enter(p phase) {
	c.phase = p
	c.limit = c.loop.after(c.loop.server.cfg.CloseTimeout)
	c.arm()
}

// tell calls Closed, once, if there was an Open.
func (c *Conn) tell() {
	if c.told || !c.ending.Load() {
		return
	}
	c.told = true
	c.loop.countEnd(c.code)
	c.loop.server.handler.Closed(c, End{
		Code:   c.code,
		ByPeer: c.byPeer,
		Clean:  c.byPeer && (c.code == codeNormal || c.code == codeGoingAway),
		Idle:   !c.byPeer && c.code == codeIdle,
	})
}

// release gives the descriptor back. Without a close frame before it the end is 1006.
func (c *Conn) release() {
	c.mu.Lock()
	if c.fd < 0 {
		c.mu.Unlock()
		return
	}
	if !c.ending.Load() {
		c.code, c.byPeer = codeAbnormal, true
		c.ending.Store(true)
	}
	c.loop.Poller().Release(int(c.fd))
	c.fd = -1
	c.out, c.corked = nil, false
	c.mu.Unlock()
	c.in = nil
	c.phase = phaseGone
	c.loop.forget(c)
	c.tell() // last, since the handler may panic
}

// arm sees to it that the wheel brings the connection up when its next deadline has come. A deadline that moved back
// leaves the entry where it is: the connection is then looked at in vain, once.
func (c *Conn) arm() {
	next := c.nextDue()
	if next != 0 && (c.look == 0 || next < c.look) {
		c.look = c.loop.Schedule(c.key, next)
	}
}

func (c *Conn) nextDue() epoll.Tick {
	switch c.phase {
	case phaseOpen:
	case phaseGone:
		return 0
	default:
		return c.limit
	}
	next := c.alive + c.loop.idle
	if c.limit != 0 {
		next = min(next, c.limit)
	}
	if deadline := epoll.Tick(c.deadline.Load()); deadline != 0 {
		next = min(next, deadline)
	}
	return next
}
