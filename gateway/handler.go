package gateway

import (
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/gateway/socket"
	"github.com/halobestie/bestie-gateway/protocol"
)

var _ socket.Handler = (*Server)(nil)

// Open registers the connection, then has its state read (socket.Handler).
func (s *Server) Open(conn *socket.Conn) {
	c := clientOf(conn)
	c.conn = conn
	s.hub.Add(c)
	if s.auth.Denied(c.session) { // since its token was verified; from here on SignedOut finds the connection
		s.close(c, protocol.CloseRevoked)
	}
	if c.role == customer {
		s.stats.customers.Add(1)
	}
	s.watchToken(c)
	if s.draining.Load() {
		s.sendAway(c)
	}
	s.enqueue(c, job{what: greet})
}

// Message answers what waits for nobody, and queues the rest (socket.Handler).
func (s *Server) Message(conn *socket.Conn, msg []byte) {
	c := clientOf(conn)
	frame, err := protocol.Parse(msg)
	if err != nil {
		s.close(c, protocol.CloseNotMsgpack)
		return
	}
	if !dispatch.InLoop(frame.Kind) {
		s.request(c, frame)
		return
	}
	buffer := &s.answers[conn.Loop()]
	*buffer = s.dispatch.Handle(s.jobs, (*buffer)[:0], c, frame)
	if len(*buffer) > 0 {
		conn.Send(*buffer)
	}
}

// Alive passes a mitra's sign of life on (socket.Handler).
func (s *Server) Alive(conn *socket.Conn) {
	if c := clientOf(conn); c.role == mitra {
		s.rooms.Presence.Alive(core.MitraID(c.user))
	}
}

// RateLimited answers a message over the rate (socket.Handler).
func (s *Server) RateLimited(_ *socket.Conn, msg []byte) []byte {
	var id uint32
	if frame, err := protocol.Parse(msg); err == nil {
		id = frame.ID
	}
	return rateLimited().Append(nil, id)
}

func rateLimited() protocol.Error {
	return protocol.Error{
		Code: protocol.CodeRateLimited, Message: "too many messages", RetryAfterMS: retryAfter.Milliseconds(),
	}
}

// Deadline is the time of the token or of the drain (socket.Handler).
func (s *Server) Deadline(conn *socket.Conn) {
	if c := clientOf(conn); c.leaving {
		s.leave(c)
	} else {
		s.tokenDue(c)
	}
}

// Closed forgets the connection (socket.Handler). What it asked for before is still carried out.
func (s *Server) Closed(conn *socket.Conn, end socket.End) {
	c := clientOf(conn)
	s.hub.Remove(c)
	s.beacon.Leave(c)
	if c.role == customer {
		s.stats.customers.Add(-1)
	}
	how := dropOf(end)
	c.mu.Lock()
	c.end = endingOf(how)
	if c.queue != nil {
		c.queue.held, c.queue.heldBytes = nil, 0
	}
	epoch := c.Epoch()
	c.mu.Unlock()
	if c.role == mitra {
		s.waiting.remove(c)
		if epoch != 0 { // else takeEpoch, if it is under way, tells of it
			s.rooms.Presence.Dropped(core.MitraID(c.user), epoch, how)
		}
	}
}

// dropOf says what the end of a socket means for its mitra. Our own closes are no fault of the mitra's: suspect, within grace.
func dropOf(end socket.End) presence.Drop {
	switch {
	case end.Clean:
		return presence.Clean
	case end.Idle:
		return presence.Stale
	default:
		return presence.Suspect
	}
}
