package socket

import (
	"errors"
	"math"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

// read takes what the kernel has for a connection: once, since readiness is level-triggered, so that a peer that sends
// much waits its turn like the others.
func (l *loop) read(c *Conn) {
	// What waited for more goes to the front of the loop's buffer, so that everything is parsed in one piece.
	kept := 0
	if c.in != nil {
		kept = copy(l.buf, c.in.rest)
	}
	n, err := epoll.Read(int(c.fd), l.buf[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
	case err != nil || n == 0:
		c.release()
	default:
		l.receive(c, l.buf[:kept+n])
	}
}

func (l *loop) receive(c *Conn, data []byte) {
	switch c.phase {
	case phaseHead:
		l.gather(c, data)
	case phaseOpen, phaseClosing:
		l.frames(c, data)
	}
}

// wait keeps the bytes that are no use yet until more come. Of a connection that is past listening nothing is kept.
func (c *Conn) wait(rest []byte) {
	switch {
	case c.phase == phaseLinger || c.phase == phaseGone:
		return
	case len(rest) > 0:
		if c.in == nil {
			c.in = &inbox{}
		}
		c.in.rest = append(c.in.rest[:0], rest...)
	case c.in == nil:
	case c.in.fragmented:
		c.in.rest = nil
	default:
		c.in = nil
	}
}

// frames handles every whole frame in data, and answers those behind the first together.
func (l *loop) frames(c *Conn, data []byte) {
	l.eachFrame(c, data)
	if c.corked {
		c.flush()
	}
}

func (l *loop) eachFrame(c *Conn, data []byte) {
	for first := true; len(data) > 0; first = false {
		fragmented, gathered := false, 0
		if c.in != nil {
			fragmented, gathered = c.in.fragmented, len(c.in.message)
		}
		f, n, fault := l.decoder.next(data, fragmented, gathered)
		if fault != 0 {
			c.fail(fault, faultReason(fault))
			return
		}
		if n == 0 {
			break
		}
		data = data[n:]
		if first {
			c.alive = l.Now()
			if !c.ending.Load() {
				l.server.handler.Alive(c)
			}
		}
		l.frame(c, f)
		if c.phase != phaseOpen && c.phase != phaseClosing {
			return // after a close frame nothing is looked at
		}
		if first && len(data) > 0 && !c.corked {
			c.cork()
		}
	}
	c.wait(data)
}

// faultReason is what the close frame says about a fault of the peer.
func faultReason(code uint16) string {
	switch code {
	case codeNotBinary:
		return "binary messages only"
	case codeInvalidPayload:
		return "invalid UTF-8"
	case codeTooBig:
		return "message too big"
	}
	return "protocol error"
}

func (l *loop) frame(c *Conn, f frame) {
	switch f.op {
	case ws.OpClose:
		c.closedByPeer(f.payload)
	case ws.OpPing:
		var buf [2 + ws.MaxControlFramePayloadSize]byte
		c.write(appendFrame(buf[:0], ws.OpPong, f.payload), latestPong)
	case ws.OpPong:
	case ws.OpBinary, ws.OpContinuation:
		l.data(c, f)
	}
}

// data puts a message together and delivers it.
func (l *loop) data(c *Conn, f frame) {
	if f.op == ws.OpBinary && f.final {
		l.message(c, f.payload)
		return
	}
	if c.in == nil {
		c.in = &inbox{}
	}
	c.in.fragmented = !f.final
	if !c.ending.Load() {
		c.in.message = append(c.in.message, f.payload...)
	}
	if f.final {
		message := c.in.message
		c.in.message = nil
		l.message(c, message)
	}
}

func (l *loop) message(c *Conn, msg []byte) {
	if c.ending.Load() {
		return
	}
	l.stats.messages.Add(1)
	if l.spend(c) {
		l.server.handler.Message(c, msg)
		return
	}
	l.stats.rateLimited.Add(1)
	if answer := l.server.handler.RateLimited(c, msg); answer != nil {
		c.Send(answer)
	}
	if c.excess++; int(c.excess) >= min(burst*l.server.cfg.FramesPerSecond, math.MaxUint16) {
		c.Close(codeRateLimited, "rate limited")
	}
}

// burst is how many seconds' worth of messages may come at once.
const burst = 2

// messageCost is what a message costs of Conn.credit, which counts in tenths of a message: a tick of 100 ms adds a tenth of a
// second's messages, so it stays whole.
const messageCost = 10

// spend takes one message from the connection's token bucket.
func (l *loop) spend(c *Conn) bool {
	rate := uint32(l.server.cfg.FramesPerSecond)
	full := burst * rate * messageCost
	if now := l.Now(); now != c.credited {
		c.credit = uint32(min(uint64(full), uint64(c.credit)+uint64(now-c.credited)*uint64(rate)))
		c.credited = now
		if c.credit == full {
			c.excess = 0
		}
	}
	if c.credit < messageCost {
		return false
	}
	c.credit -= messageCost
	return true
}

// closedByPeer answers the peer's close frame, unless it is the answer to ours.
func (c *Conn) closedByPeer(payload []byte) {
	code, fault := checkClose(payload)
	if fault != 0 {
		c.fail(fault, faultReason(fault))
		return
	}
	c.finish(code, "", true)
	c.linger()
	c.tell()
}
