package socket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

// listenKey is the listener's key; connections have those from 0.
const listenKey = -2

// readAhead is how much one read takes at most, beside what a message needs.
const readAhead = 64 << 10

// loop is an event loop with its own listener and its own connections. Everything in it belongs to the loop's goroutine
// but the embedded Loop, the counters and what is fixed.
type loop struct {
	*epoll.Loop
	server *Server
	index  int
	idle   epoll.Tick // IdleTimeout, never early

	listener int
	reserve  int     // a descriptor to give up when there is no other, -1 while it is
	conns    []*Conn // by key; nil: free
	free     []int32 // keys

	// Shared by all connections, one at a time.
	buf     []byte
	scratch []byte
	cork    []byte // see Conn.cork; behind the mu of the connection that is corked
	decoder decoder
	request Request

	stats  counters
	before activity // as of the last turn
}

// activity is what tells whether somebody waits for the loop's next turn.
type activity struct{ accepted, messagesOut uint64 }

func newLoop(s *Server, index, listener int) (*loop, error) {
	inner, err := epoll.NewLoop(s.cfg.Dedicated)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	l := &loop{
		Loop: inner, server: s, index: index, idle: epoll.TicksIn(s.cfg.IdleTimeout) + 1,
		listener: listener, reserve: -1,
		buf:     make([]byte, ws.MaxHeaderSize+s.cfg.MaxMessageBytes+max(readAhead, maxHead)),
		decoder: decoder{limit: s.cfg.MaxMessageBytes},
	}
	l.hold()
	return l, nil
}

// run serves until ctx ends.
func (l *loop) run(ctx context.Context) error {
	if err := l.Poller().Add(l.listener, listenKey, epoll.Readable); err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := l.Loop.Run(ctx, l, l.shut); err != nil {
		return fmt.Errorf("socket: loop %d: %w", l.index, err)
	}
	return nil
}

// shut ends everything that is still there.
func (l *loop) shut() {
	unix.Close(l.listener)
	l.release()
	for _, c := range l.conns {
		if c == nil {
			continue
		}
		func() {
			defer l.recovered(nil)
			if c.phase == phaseOpen {
				c.finish(codeGoingAway, "going away", false)
			}
			c.release()
		}()
	}
}

// after is the tick at which a duration from now is over, never early.
func (l *loop) after(d time.Duration) epoll.Tick { return l.Now() + epoll.TicksIn(d) + 1 }

// Ready is for epoll.Loop.
func (l *loop) Ready(key int32, events epoll.Events) {
	if key == listenKey {
		l.acceptAll()
		return
	}
	c := l.conns[key]
	if c == nil {
		return
	}
	defer l.recovered(c)
	if events&epoll.Writable != 0 && c.flush() && c.phase == phaseLinger {
		c.hangUp()
	}
	if events&epoll.Readable != 0 {
		l.read(c)
	}
}

// Due is for epoll.Loop.
func (l *loop) Due(key int32, at epoll.Tick) {
	if key == listenKey {
		l.resume()
		return
	}
	c := l.conns[key]
	if c == nil || c.look != at {
		return
	}
	defer l.recovered(c)
	c.look = 0
	l.expire(c)
	c.arm()
}

// Patience is for epoll.Loop: who comes has more to say at once, and who was answered may have.
func (l *loop) Patience() epoll.Patience {
	before := l.before
	l.before = activity{l.stats.accepted.Load(), l.stats.messagesOut.Load()}
	switch {
	case l.before.accepted != before.accepted:
		return epoll.Urgent
	case l.before.messagesOut != before.messagesOut:
		return epoll.WhileFew
	}
	return epoll.AtAnyPace
}

// expire does what is due.
func (l *loop) expire(c *Conn) {
	now := l.Now()
	switch over := c.limit != 0 && now >= c.limit; {
	case c.phase == phaseHead && over:
		l.stats.headTimeouts.Add(1)
		c.headTimeout()
	case c.phase == phaseOpen:
		l.expireOpen(c, now, over)
	case over:
		c.release()
	}
}

func (l *loop) expireOpen(c *Conn, now epoll.Tick, retired bool) {
	if at := c.deadline.Load(); at != 0 && now >= epoll.Tick(at) && c.deadline.CompareAndSwap(at, 0) {
		l.server.handler.Deadline(c)
	}
	if now >= c.alive+l.idle {
		// A process that stood still has not read yet what came meanwhile, nor did the poller name everybody who has something.
		l.read(c)
	}
	switch {
	case c.phase != phaseOpen:
	case now >= c.alive+l.idle:
		c.close(codeIdle, "heartbeat timeout")
	case retired:
		c.close(codeRetired, "retired")
	}
}

// recovered keeps a panic of the handler from taking the other connections down: its own is closed with 1011.
func (l *loop) recovered(c *Conn) {
	reason := recover()
	if reason == nil {
		return
	}
	l.stats.panics.Add(1)
	l.server.log.Error("socket: handler panicked", "panic", reason, "stack", string(debug.Stack()))
	switch {
	case c == nil || c.phase == phaseGone:
	case c.phase == phaseHead:
		c.refuse(&refusal{status: http.StatusInternalServerError, code: string(core.Internal), message: "internal error"}, 0)
	default:
		c.fail(codeInternal, "internal error")
	}
}

// acceptsATurn bounds what a storm of new connections takes from those that are up.
const acceptsATurn = 64

func (l *loop) acceptAll() {
	for range acceptsATurn {
		fd, err := epoll.Accept(l.listener)
		switch {
		case err == nil:
			l.stats.accepted.Add(1)
			if c := l.admit(fd); c != nil {
				l.greet(c)
			}
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			l.outOfFiles()
			return
		}
		// Any other error is of a connection that broke while it waited.
	}
}

// greet reads at once: a client's request is often there with its connection.
func (l *loop) greet(c *Conn) {
	defer l.recovered(c)
	l.read(c)
}

// admit gives a descriptor a connection that has HandshakeTimeout for its request head; nil when that fails.
func (l *loop) admit(fd int) *Conn {
	c := &Conn{loop: l, fd: int32(fd), told: true, limit: l.after(l.server.cfg.HandshakeTimeout)}
	if last := len(l.free) - 1; last >= 0 {
		c.key, l.free = l.free[last], l.free[:last]
	} else {
		c.key = int32(len(l.conns))
		l.conns = append(l.conns, nil)
	}
	if err := l.Poller().Add(fd, c.key, epoll.Readable); err != nil {
		l.server.log.Error("socket: poller refuses", "err", err)
		l.free = append(l.free, c.key)
		unix.Close(fd)
		return nil
	}
	l.conns[c.key] = c
	l.stats.present.Add(1)
	c.arm()
	return c
}

// forget takes a connection out of the table.
func (l *loop) forget(c *Conn) {
	l.conns[c.key] = nil
	l.free = append(l.free, c.key)
	l.stats.present.Add(-1)
	if c.counted {
		l.server.connections.Add(-1)
	}
}

// outOfFiles tells one client that it came in vain, since an unaccepted connection would stay readable and spin the loop, and
// accepts nothing for a while: those that are up go on.
func (l *loop) outOfFiles() {
	l.release()
	defer l.hold()
	fd, err := epoll.Accept(l.listener)
	if errors.Is(err, unix.EAGAIN) {
		return // the kernel takes a descriptor before it looks whether anybody waits
	}
	l.stats.outOfFiles.Add(1)
	if err == nil {
		full := refusal{status: http.StatusServiceUnavailable, code: string(core.Overloaded), message: "no new sockets here now"}
		unix.Write(fd, full.response(fullRetry))
		unix.Close(fd)
	}
	l.Poller().Modify(l.listener, listenKey, 0)
	l.Schedule(listenKey, l.after(l.server.cfg.Backoff))
}

func (l *loop) resume() {
	l.hold()
	if err := l.Poller().Modify(l.listener, listenKey, epoll.Readable); err != nil {
		l.server.log.Error("socket: poller refuses", "err", err)
	}
}

// hold keeps a descriptor in reserve.
func (l *loop) hold() {
	if l.reserve < 0 {
		if fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			l.reserve = fd
		}
	}
}

// release gives the reserve up.
func (l *loop) release() {
	if l.reserve >= 0 {
		unix.Close(l.reserve)
		l.reserve = -1
	}
}
