package oracle

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

const (
	beatsKept = 128 // answered signs of life of a mitra
	linesKept = 60  // of the history of an id
)

// Record is what crossed the clients' sockets. Its methods, and those of its sockets, may be called from any goroutine; on nil
// they do nothing.
type Record struct {
	mu       sync.Mutex
	begin    time.Time
	users    map[protocol.UUID]*user
	promises []promise
	history  map[protocol.UUID][]string
}

// user is what a client knows of itself.
type user struct {
	role     protocol.Role
	sockets  []*Socket     // welcomed, in order
	mode     protocol.Mode // "" not known
	switched int64         // the version of the update that told the mode
	beats    []beat        // in the order of the answers
}

// beat is a request that was answered: by then at the latest the gateway has seen that its sender lives.
type beat struct{ sent, answered time.Time }

// promise is something that was acknowledged.
type promise struct {
	what    string
	by      protocol.UUID
	winner  bool // by accepted
	session protocol.UUID
	version int64
	status  protocol.SessionStatus
}

// view is a session as a socket was told of it.
type view struct {
	version int64
	status  protocol.SessionStatus
}

// NewRecord begins one.
func NewRecord() *Record {
	return &Record{begin: time.Now(), users: make(map[protocol.UUID]*user), history: make(map[protocol.UUID][]string)}
}

// Socket is one connection of a user.
type Socket struct {
	record *Record
	id     protocol.UUID

	// Guarded by the record's mu.
	user    *user
	stated  bool // it was told its state
	asked   map[uint32]request
	told    map[protocol.UUID]view
	count   int // the last one that it was told
	counted bool
}

type request struct {
	message protocol.Message
	sent    time.Time
}

// Open notes that a user connects; it counts as up from its welcome on.
func (r *Record) Open(who protocol.UUID, role protocol.Role) *Socket {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.users[who]
	if u == nil {
		u = &user{role: role}
		r.users[who] = u
	}
	r.noteLocked(who, "connects")
	return &Socket{record: r, id: who, user: u, asked: make(map[uint32]request), told: make(map[protocol.UUID]view)}
}

// Note adds a line to the history of an id.
func (r *Record) Note(id protocol.UUID, format string, args ...any) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noteLocked(id, format, args...)
}

func (r *Record) noteLocked(id protocol.UUID, format string, args ...any) {
	line := fmt.Sprintf("%s %s", time.Now().UTC().Format("15:04:05.000"), fmt.Sprintf(format, args...))
	lines := r.history[id]
	if len(lines) == linesKept {
		lines = slices.Delete(lines, 0, 1)
	}
	r.history[id] = append(lines, line)
}

// Sent notes a request.
func (s *Socket) Sent(id uint32, m protocol.Message) {
	if s == nil || id == 0 {
		return
	}
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	s.asked[id] = request{m, time.Now()}
}

// Closed notes the connection's end.
func (s *Socket) Closed(why error) {
	if s == nil {
		return
	}
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	s.user.sockets = slices.DeleteFunc(s.user.sockets, func(other *Socket) bool { return other == s })
	s.record.noteLocked(s.id, "is disconnected: %v", why)
}

// Received notes a frame of the gateway's.
func (s *Socket) Received(id uint32, m protocol.Message) {
	if s == nil {
		return
	}
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	switch m := m.(type) {
	case *protocol.Welcome:
		s.user.sockets = append(s.user.sockets, s)
		s.state(m.State)
		s.record.noteLocked(s.id, "is welcomed, connection %s", m.ConnectionID)
	case *protocol.Ack:
		s.acked(id, m)
	case *protocol.Error:
		s.refused(id, m)
	case *protocol.SessionUpdate:
		s.session("session.update", &m.Session)
	case *protocol.PresenceUpdate:
		s.record.noteLocked(s.id, "is %s by %s, version %d", m.Mode, m.Reason, m.Version)
		if m.Version > s.user.switched {
			s.user.mode, s.user.switched = m.Mode, m.Version
		}
	case *protocol.Availability:
		s.count, s.counted = m.Available, true
	case *protocol.Offer:
		s.record.noteLocked(s.id, "is offered session %s (offer %s)", m.SessionID, m.OfferID)
		s.record.noteLocked(m.SessionID, "is offered to mitra %s (offer %s)", s.id, m.OfferID)
	case *protocol.OfferClosed:
		s.record.noteLocked(s.id, "loses the offer of session %s: %s", m.SessionID, m.Reason)
	}
}

// state takes welcome's state, or that of state.get, for the truth: what it does not hold is over.
func (s *Socket) state(state *protocol.State) {
	if state == nil {
		return
	}
	s.stated = true
	clear(s.told)
	switch {
	case state.Mitra != nil:
		s.user.mode = state.Mitra.Mode
		for i := range state.Mitra.Sessions {
			s.session("state", &state.Mitra.Sessions[i])
		}
	case state.Customer != nil:
		s.count, s.counted = state.Customer.Available, false // true only of who subscribed
		if state.Customer.Session != nil {
			s.session("state", state.Customer.Session)
		}
	}
}

// session notes what the socket was shown of a session.
func (s *Socket) session(by string, shown *protocol.Session) {
	s.record.noteLocked(shown.SessionID, "is shown to %s %s by %s: %s, version %d", s.user.role, s.id, by, shown.Status, shown.Version)
	if known, ok := s.told[shown.SessionID]; !ok || shown.Version >= known.version {
		s.told[shown.SessionID] = view{shown.Version, shown.Status}
	}
}

// acked notes an answer, and what it promises.
func (s *Socket) acked(id uint32, m *protocol.Ack) {
	asked, ok := s.asked[id]
	if !ok {
		return
	}
	delete(s.asked, id)
	s.alive(asked.sent)
	if m.Session != nil {
		s.session("ack of "+asked.message.Kind().String(), m.Session)
	}
	switch asked.message.(type) {
	case *protocol.PresenceSet:
		s.record.noteLocked(s.id, "is %s, acknowledged", m.Mode)
		s.user.mode = m.Mode
	case *protocol.AvailabilitySubscribe:
		if m.Available != nil {
			s.count, s.counted = *m.Available, true
		}
	case *protocol.StateGet:
		s.state(m.State)
	case *protocol.PairingRequest, *protocol.PairingCancel, *protocol.SessionEnd, *protocol.OfferAccept:
		if m.Session != nil {
			_, winner := asked.message.(*protocol.OfferAccept)
			s.record.promises = append(s.record.promises, promise{
				what: asked.message.Kind().String(), by: s.id, winner: winner,
				session: m.Session.SessionID, version: m.Session.Version, status: m.Session.Status,
			})
		}
	}
}

func (s *Socket) refused(id uint32, m *protocol.Error) {
	asked, ok := s.asked[id]
	if !ok {
		s.record.noteLocked(s.id, "is told %s %s", m.Code, m.Message)
		return
	}
	delete(s.asked, id)
	s.alive(asked.sent)
	s.record.noteLocked(s.id, "asked %s and is told %s", asked.message.Kind(), m.Code)
	if m.Session != nil {
		s.session("error "+string(m.Code), m.Session)
	}
}

// alive notes that what was sent then has reached the gateway.
func (s *Socket) alive(sent time.Time) {
	beats := s.user.beats
	if len(beats) == beatsKept {
		beats = slices.Delete(beats, 0, beatsKept/2)
	}
	s.user.beats = append(beats, beat{sent, time.Now()})
}
