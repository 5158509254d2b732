package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/halobestie/bestie-gateway/gateway/socket"
	"github.com/halobestie/bestie-gateway/protocol"
)

const (
	// drainSlack is how long after the drain's end a request under way may keep its connection.
	drainSlack = time.Second / 2
	// drainLook is how often such a connection, and the end of all, are looked for.
	drainLook = 50 * time.Millisecond
)

// Draining tells that the instance is going away: its readiness fails from then on.
func (s *Server) Draining() bool { return s.draining.Load() }

// Drain sends everybody away: new sockets get 503, each connection a draining frame with its own time within Config.Drain, and
// 1012 when that time has come, so that the clients arrive elsewhere spread out. It returns when all are gone, at the latest half
// a second after Config.Drain, or when ctx ends; Run's context is to be cancelled then. A second call waits with the first.
func (s *Server) Drain(ctx context.Context) {
	sock := s.sock.Load()
	ends := time.Now().Add(s.cfg.Drain)
	if s.drainEnds.CompareAndSwap(0, ends.UnixNano()) {
		s.draining.Store(true)
		sock.Refuse(s.cfg.Drain)
		for loop := range sock.Loops() {
			sock.Each(loop, func(conn *socket.Conn) bool {
				s.sendAway(clientOf(conn))
				return true
			})
		}
	}
	over := time.NewTimer(time.Until(time.Unix(0, s.drainEnds.Load())) + drainSlack)
	defer over.Stop()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for s.hub.Len() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-over.C:
			return
		case <-look.C:
		}
	}
}

// sendAway tells a connection when to come back elsewhere; once. Loop only.
func (s *Server) sendAway(c *client) {
	if c.leaving {
		return
	}
	c.leaving = true
	left := max(time.Until(time.Unix(0, s.drainEnds.Load())), time.Millisecond)
	wait := rand.N(left)
	c.deliver(protocol.Draining{ReconnectAfterMS: wait.Milliseconds()}.Append(nil, 0))
	c.conn.SetDeadline(time.Now().Add(wait))
}

// leave closes a connection whose time has come, after the answer that it waits for. Loop only.
func (s *Server) leave(c *client) {
	if c.busy() && time.Now().Before(time.Unix(0, s.drainEnds.Load())) {
		c.conn.SetDeadline(time.Now().Add(drainLook))
		return
	}
	s.close(c, protocol.CloseRestart)
}
