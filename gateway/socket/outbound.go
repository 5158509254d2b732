package socket

import (
	"bytes"
	"errors"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

// SharedFrame is one binary message, encoded once for many connections.
type SharedFrame struct{ bytes []byte }

// Share encodes a message for SendLatest. It copies msg.
func Share(msg []byte) *SharedFrame {
	return &SharedFrame{bytes: appendFrame(make([]byte, 0, ws.MaxHeaderSize+len(msg)), ws.OpBinary, msg)}
}

// runKind tells what may happen to a run while it waits.
type runKind uint8

const (
	ordered    runKind = iota // goes out as it is, after what came before
	latestOnly                // a newer one takes its place
	latestPong                // likewise: only the latest ping is answered while output is blocked
)

// run is frames that go out together.
type run struct {
	kind runKind
	data []byte
}

// outbox is what the kernel did not take. It exists only while something waits. Ordinary frames share one growing run, so
// there are at most six: the one that is going out, the two that may be replaced, and ordinary ones between.
type outbox struct {
	runs  []run
	bytes int
}

// push adds a copy of whole frames. It reports whether they took the place of a waiting run.
func (o *outbox) push(kind runKind, data []byte) (replaced bool) {
	o.bytes += len(data)
	if kind != ordered {
		for i := range o.runs {
			if r := &o.runs[i]; r.kind == kind {
				o.bytes -= len(r.data)
				r.data = append(r.data[:0], data...)
				return true
			}
		}
	}
	if last := len(o.runs) - 1; kind == ordered && last >= 0 && o.runs[last].kind == ordered {
		o.runs[last].data = append(o.runs[last].data, data...)
		return false
	}
	o.runs = append(o.runs, run{kind: kind, data: bytes.Clone(data)})
	return false
}

// wrote takes n bytes from the front. A run that has begun to go out cannot be replaced any more.
func (o *outbox) wrote(n int) {
	o.bytes -= n
	first := &o.runs[0]
	if n == len(first.data) {
		o.runs = o.runs[1:]
		return
	}
	if n > 0 {
		first.data, first.kind = first.data[n:], ordered
	}
}

// Send sends msg as one binary message, after all that was sent before. The bytes are written or copied before it
// returns. A peer that does not read is closed with 4201 once more than OutboundQueueBytes wait for it.
func (c *Conn) Send(msg []byte) {
	var small [256]byte // on the stack; longer frames are rare
	c.write(appendFrame(small[:0], ws.OpBinary, msg), ordered)
}

// SendLatest sends a frame of which only the newest counts: while one waits for a slow reader, a newer one takes its place.
func (c *Conn) SendLatest(frame *SharedFrame) { c.write(frame.bytes, latestOnly) }

func (c *Conn) write(frame []byte, kind runKind) {
	c.mu.Lock()
	if c.ending.Load() {
		c.mu.Unlock()
		return
	}
	replaced := c.put(frame, kind)
	slow := c.out != nil && c.out.bytes > c.loop.server.cfg.OutboundQueueBytes
	c.mu.Unlock()
	if kind != latestPong {
		c.loop.stats.messagesOut.Add(1)
	}
	if replaced {
		c.loop.stats.latestReplaced.Add(1)
	}
	if slow {
		c.Close(codeSlowConsumer, "slow consumer")
	}
}

// cork gathers what is sent from now on until the next flush, so that the answers to several frames that came together go
// out in one write: a thousand pings in one packet cost one system call, not a thousand. In the loop, which handles one
// connection at a time; so all of them share one buffer.
func (c *Conn) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		c.corked = true
		c.loop.cork = c.loop.cork[:0]
	}
}

// corkSize is how much is gathered before it is written all the same.
const corkSize = 64 << 10

// put writes what the kernel takes and queues the rest. Under mu; it never blocks.
func (c *Conn) put(frame []byte, kind runKind) (replaced bool) {
	if c.corked {
		c.loop.cork = append(c.loop.cork, frame...)
		if len(c.loop.cork) < corkSize {
			return false
		}
		c.corked = false
		frame, kind = c.loop.cork, ordered
	}
	if c.out == nil {
		n := c.transmit(frame)
		if n == len(frame) {
			return false
		}
		if n > 0 {
			frame, kind = frame[n:], ordered
		}
		c.out = &outbox{}
		c.watch(epoll.Readable | epoll.Writable)
	}
	return c.out.push(kind, frame)
}

// transmit writes without blocking and tells how much was taken. What a broken connection is given is lost: its loop learns
// of the break by itself and releases it. Under mu.
func (c *Conn) transmit(b []byte) int {
	for {
		n, err := epoll.Write(int(c.fd), b)
		switch {
		case err == nil:
			return n
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0
		default:
			return len(b)
		}
	}
}

// watch tells the poller what to look for. Under mu, and only while the descriptor is open.
func (c *Conn) watch(interest epoll.Events) {
	if err := c.loop.Poller().Modify(int(c.fd), c.key, interest); err != nil {
		c.loop.server.log.Error("socket: poller refuses", "err", err)
	}
}

// flush writes what waits or is corked, and tells whether nothing is left.
func (c *Conn) flush() (empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corked {
		c.corked = false
		if len(c.loop.cork) > 0 {
			c.put(c.loop.cork, ordered)
		}
		return c.out == nil
	}
	for c.out != nil {
		first := c.out.runs[0].data
		n := c.transmit(first)
		c.out.wrote(n)
		if n < len(first) {
			return false
		}
		if len(c.out.runs) == 0 {
			c.out = nil
			c.watch(epoll.Readable)
		}
	}
	return true
}
