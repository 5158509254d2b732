package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/gateway/hub"
	"github.com/halobestie/bestie-gateway/gateway/socket"
	"github.com/halobestie/bestie-gateway/protocol"
)

// client is the gateway's part of one connection: the State of a socket.Conn. There is one for every idle socket, so it holds no
// buffer and no queue until there is something to queue.
type client struct {
	// Fixed when the connection opens.
	server  *Server
	conn    *socket.Conn
	user    core.UserID
	session core.AuthSessionID
	role    role

	// The loop's.
	warned  bool // auth.expiring was sent for the present token
	leaving bool // draining was sent, 1012 follows

	end ending // under mu

	// The loop's.
	seat hub.Seat

	// Anybody's.
	flags   atomic.Uint32
	expires atomic.Int64 // of the access token, Unix ms
	epoch   atomic.Int64 // a mitra's; written under mu, once

	mu    sync.Mutex
	queue *queue // nil while nothing waits
}

// ending is how a connection has gone: 0 while it has not, else one more than its presence.Drop.
type ending uint8

func endingOf(how presence.Drop) ending { return ending(how) + 1 }

// gone tells whether Closed was called.
func (e ending) gone() bool { return e != 0 }

func (e ending) how() presence.Drop { return presence.Drop(e - 1) }

// role is a user type in a byte.
type role uint8

const (
	customer role = iota
	mitra
)

func (r role) userType() core.UserType {
	if r == mitra {
		return core.Mitra
	}
	return core.Customer
}

// The flags of a client.
const (
	opened uint32 = 1 << iota // welcome and the held events are sent: events go straight out
	behind                    // a broadcast came before that: the topic has to catch up
)

var _ dispatch.Caller = (*client)(nil)

func clientOf(c *socket.Conn) *client { return c.State().(*client) }

// User is who is connected.
func (c *client) User() core.UserID { return c.user }

// Epoch is the mitra's connection epoch; 0 while it has none.
func (c *client) Epoch() int64 { return c.epoch.Load() }

// Seat is the connection's place among the topic's subscribers. Loop only.
func (c *client) Seat() *hub.Seat { return &c.seat }

// Loop is the connection's event loop.
func (c *client) Loop() int { return c.conn.Loop() }

// Latest sends an availability frame, unless the connection is not open for events yet.
func (c *client) Latest(frame *socket.SharedFrame) bool {
	if c.flags.Load()&opened == 0 && c.flags.Or(behind)&opened == 0 {
		return false
	}
	c.conn.SendLatest(frame)
	return true
}

// Principal is who is connected, with the present token's expiry.
func (c *client) Principal() core.Principal {
	return core.Principal{
		Type: c.role.userType(), ID: c.user, Session: c.session, ExpiresAt: time.UnixMilli(c.expires.Load()),
	}
}

// Subscribe joins the topic. Loop only.
func (c *client) Subscribe() presence.Availability {
	value, known := c.server.beacon.Join(c)
	if !known {
		return presence.Availability{}
	}
	return presence.Availability{Count: value.Available, At: time.UnixMilli(value.At)}
}

// Unsubscribe leaves the topic. Loop only.
func (c *client) Unsubscribe() { c.server.beacon.Leave(c) }

// Claim is the mitra's epoch, taken now when Postgres was out as the socket opened.
func (c *client) Claim(ctx context.Context) (int64, error) {
	if epoch := c.Epoch(); epoch != 0 {
		return epoch, nil
	}
	row, err := c.server.takeEpoch(ctx, c)
	return row.ConnectionEpoch, err
}

// deliver sends an event, after welcome.
func (c *client) deliver(frame []byte) {
	if c.flags.Load()&opened == 0 && c.hold(frame) {
		return
	}
	c.conn.Send(frame)
}

// hold keeps an event back until welcome is sent; false when it is. Too many of them close the connection, as they would if
// they waited for a slow reader.
func (c *client) hold(frame []byte) bool {
	c.mu.Lock()
	if c.flags.Load()&opened != 0 {
		c.mu.Unlock()
		return false
	}
	if c.end.gone() {
		c.mu.Unlock()
		return true
	}
	q := c.queueLocked()
	full := q.heldBytes+len(frame) > c.server.cfg.Socket.OutboundQueueBytes
	if !full {
		q.held = append(q.held, frame)
		q.heldBytes += len(frame)
	}
	c.mu.Unlock()
	if full {
		c.server.close(c, protocol.CloseSlow)
	}
	return true
}

// open lets events through, those that were held first.
func (c *client) open() {
	for {
		c.mu.Lock()
		q := c.queueLocked()
		held := q.held
		q.held, q.heldBytes = nil, 0
		if len(held) == 0 {
			before := c.flags.Or(opened)
			c.mu.Unlock()
			if before&behind != 0 {
				c.server.post(c.Loop(), func() { c.server.beacon.CatchUp(c) })
			}
			return
		}
		c.mu.Unlock()
		for _, frame := range held {
			c.conn.Send(frame)
		}
	}
}
