package gateway

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/protocol"
)

const (
	// firstLookBack is how far the first read of an outage goes back: a subscription may be dead before that is noticed.
	firstLookBack = 20 * time.Second
	// overlap is how far every read goes back behind the one before: ids commit out of order.
	overlap = 5 * time.Second
	// outboxKeeps is how long the outbox keeps rows.
	outboxKeeps = 60 * time.Second
)

// Event takes an event to the sockets of its user, in order of arrival; one that was here before is dropped. It is called by the bus,
// by the outbox's reader, and may be called for the instance's own commits.
func (s *Server) Event(e core.Event) {
	if e.Version != core.EventVersion {
		s.stats.unknownEvents.Add(1)
		return
	}
	if !s.seen.first(e.ID) {
		s.stats.duplicates.Add(1)
		return
	}
	s.stats.events.Add(1)
	if err := s.pass(e); err != nil {
		s.stats.unknownEvents.Add(1)
		s.log.Warn("event dropped", "event", e.ID, "kind", e.Kind, "error", err)
	}
}

func (s *Server) pass(e core.Event) error {
	switch e.Kind {
	case core.AuthRevoked:
		return s.revoked(e)
	case core.MitraReplaced:
		var body presence.Replaced
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return err
		}
		s.replace(e.To, body.Epoch)
		return nil
	}
	conns := s.hub.Of(e.To, nil)
	if len(conns) == 0 {
		return nil
	}
	frame, err := s.dispatch.Event(nil, e, conns[0].role.userType()) // a user has one role
	if err != nil || len(frame) == 0 {
		return err
	}
	for _, c := range conns {
		c.deliver(frame)
	}
	s.stats.delivered.Add(uint64(len(conns)))
	if e.Kind == core.PresenceChanged {
		return s.afterPresence(e)
	}
	return nil
}

// afterPresence closes the sockets of a mitra who was deactivated, once it was told.
func (s *Server) afterPresence(e core.Event) error {
	var body presence.Change
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	if body.Reason == presence.Deactivated {
		s.Deactivated([]core.MitraID{core.MitraID(e.To)})
	}
	return nil
}

// revoked refuses the tokens of auth sessions that are over, on every instance, and closes their sockets.
func (s *Server) revoked(e core.Event) error {
	var body auth.Revoked
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return err
	}
	s.auth.Deny(body)
	s.SignedOut(e.To, body)
	return nil
}

// SignedOut closes the sockets of auth sessions of a user that are over and denied (auth.Sockets).
func (s *Server) SignedOut(user core.UserID, revoked auth.Revoked) {
	code := protocol.CloseRevoked
	if revoked.Reason == auth.Deactivated {
		code = protocol.CloseInactive
	}
	for _, c := range s.hub.Of(user, nil) {
		if slices.Contains(revoked.Sessions, c.session) {
			s.close(c, code)
		}
	}
}

// Resubscribed says that the bus was away and is back: what was published meanwhile is read from the outbox.
func (s *Server) Resubscribed() {
	select {
	case s.missed <- struct{}{}:
	default:
	}
}

// readOutbox reads the outbox while the bus is not live, and until one read has succeeded after it has come back: what
// commits after that read is published to a subscription that is up.
func (s *Server) readOutbox(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.OutboxPoll)
	defer ticker.Stop()
	outage := core.Outage{Log: s.log, What: "reading the outbox"}
	away := false                                   // events may have been missed
	from := time.Now().Add(overlap - firstLookBack) // what was committed before it has been seen
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.missed:
			away = true
		case <-ticker.C:
		}
		live := s.rooms.Bus.Live()
		now := time.Now()
		switch {
		case live && !away:
			from = now.Add(overlap - firstLookBack)
			continue
		case live:
			away = false // unless the read fails
		default:
			away = true
		}
		age := min(now.Sub(from)+overlap, outboxKeeps)
		events, err := s.rooms.Outbox.Since(ctx, age)
		s.stats.polls.Add(1)
		if outage.Note(ctx, err) != nil {
			away = true
			continue
		}
		from = now
		for _, e := range s.standing(events) {
			s.Event(e)
		}
	}
}

// standing leaves out the offers that are closed by a later one of the events: what is read after an outage is old, and nobody
// should be asked for what is gone. They count as seen.
func (s *Server) standing(events []core.Event) []core.Event {
	closed := make(map[core.OfferID]bool)
	for _, e := range events {
		var body pairing.Closed
		if e.Kind == core.OfferClosed && json.Unmarshal(e.Body, &body) == nil {
			closed[body.OfferID] = true
		}
	}
	return slices.DeleteFunc(events, func(e core.Event) bool {
		var body pairing.Offer
		over := e.Kind == core.OfferMade && json.Unmarshal(e.Body, &body) == nil && closed[body.ID]
		return over && s.seen.first(e.ID)
	})
}

// seenEvents is how many outbox ids are remembered: half a minute of a thousand events a second.
const seenEvents = 32768

// window remembers the last so many ids. Zero is no id: what has none is always new.
type window struct {
	mu   sync.Mutex
	ring []int64
	next int
	ids  map[int64]struct{}
}

func newWindow(size int) window {
	return window{ring: make([]int64, size), ids: make(map[int64]struct{})}
}

// first tells whether the id is seen for the first time, as far as is remembered.
func (w *window) first(id int64) bool {
	if id == 0 {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, seen := w.ids[id]; seen {
		return false
	}
	delete(w.ids, w.ring[w.next])
	w.ring[w.next] = id
	w.ids[id] = struct{}{}
	w.next = (w.next + 1) % len(w.ring)
	return true
}

var (
	_ presence.Audience = (*Server)(nil)
	_ pairing.Line      = (*Server)(nil)
	_ dispatch.Beacon   = (*Server)(nil)
	_ auth.Sockets      = (*Server)(nil)
)

// Availability is a new count of available mitras, from the bus or from presence; one that was taken earlier than the last is
// dropped.
func (s *Server) Availability(n int, at time.Time) {
	s.beacon.Publish(protocol.Availability{Available: n, At: at.UnixMilli()})
}

// Deactivated closes the sockets of mitras who were deactivated.
func (s *Server) Deactivated(ids []core.MitraID) {
	for _, id := range ids {
		for _, c := range s.hub.Of(core.UserID(id), nil) {
			s.close(c, protocol.CloseInactive)
		}
	}
}

// Position tells a customer where its search stands in the queue.
func (s *Server) Position(customer core.CustomerID, session core.SessionID, position int, at time.Time) {
	conns := s.hub.Of(core.UserID(customer), nil)
	if len(conns) == 0 {
		return
	}
	frame := dispatch.Position(nil, session, position, at)
	for _, c := range conns {
		c.deliver(frame)
	}
}

// Listening tells whether any customer is connected here.
func (s *Server) Listening() bool { return s.stats.customers.Load() > 0 }
