package sim

import (
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

// What mitras do with offers, in percent; the rest is accepted.
const (
	declines = 10
	ignores  = 2
)

// greedy is how many of the offers that come to a mitra with its hands full, in percent, it tries to accept all the same.
const greedy = 25

// mitraEnds is the share of sessions, in percent, that the mitra ends and not the customer.
const mitraEnds = 30

// breakTime is how much longer than Options.Late a mitra on a break stays offline, or no breach could be seen.
const breakTime = time.Second

// lastWords is how long the gateway has to tell a mitra that leaves what there is to tell.
const lastWords = time.Second

// mitra goes online, takes customers and sometimes a break.
type mitra struct {
	actor

	// Owned by run.
	wanted   protocol.Mode
	offline  time.Time // when going offline was acknowledged; zero: online, or about to be
	capacity int
	sessions map[protocol.UUID]int64 // held now, with their version
	offers   map[protocol.UUID]bool  // seen; true: closed
	leaves   bool
}

func newMitra(w *world, number int, account client.Account) *mitra {
	m := &mitra{
		actor:    newActor(w, protocol.RoleMitra, number, account),
		wanted:   protocol.ModeOnline,
		sessions: make(map[protocol.UUID]int64),
		offers:   make(map[protocol.UUID]bool),
	}
	m.part = m
	return m
}

// welcomed takes the state as the truth: what it does not hold is over.
func (m *mitra) welcomed(w *protocol.Welcome) {
	if w.State == nil || w.State.Mitra == nil {
		m.in(time.Second, m.readState)
		return
	}
	m.adopt(w.State.Mitra, time.Now())
}

// readState asks for the state that welcome did not have.
func (m *mitra) readState() {
	m.ask(&protocol.StateGet{}, func(got answer) {
		if got.err != nil || got.ack.State == nil || got.ack.State.Mitra == nil {
			m.in(time.Second, m.readState)
			return
		}
		m.adopt(got.ack.State.Mitra, got.at)
	})
}

func (m *mitra) adopt(state *protocol.MitraState, at time.Time) {
	m.capacity = state.MaxCapacity
	clear(m.sessions)
	m.world.ledger.holds(m.account.ID, state.Sessions)
	for i := range state.Sessions {
		s := &state.Sessions[i]
		m.observe(s, 0)
		if !m.world.ledger.ours(s.SessionID) && !m.isReady { // left over from an earlier run
			m.end(s.SessionID)
		}
	}
	for i := range state.Offers {
		m.offered(&state.Offers[i], at)
	}
	if state.Mode == m.wanted {
		m.becomeReady()
		return
	}
	m.setMode(m.wanted, nil)
}

// setMode switches the mode, again and again until it is acknowledged.
func (m *mitra) setMode(mode protocol.Mode, then func(at time.Time)) {
	m.wanted = mode
	if mode == protocol.ModeOnline {
		m.offline = time.Time{}
	}
	m.ask(&protocol.PresenceSet{Mode: mode}, func(got answer) {
		switch {
		case m.wanted != mode:
			return
		case got.err != nil:
			m.in(time.Second, func() {
				if m.wanted == mode {
					m.setMode(mode, then)
				}
			})
			return
		case mode == protocol.ModeOffline:
			m.offline = got.at
		}
		m.becomeReady()
		if then != nil {
			then(got.at)
		}
	})
}

func (m *mitra) event(event protocol.Message, at time.Time) {
	switch event := event.(type) {
	case *protocol.Offer:
		m.offered(event, at)
	case *protocol.OfferClosed:
		m.offers[event.OfferID] = true
	case *protocol.SessionUpdate:
		m.observe(&event.Session, 0)
	case *protocol.PresenceUpdate:
		m.switched(event, at)
	}
}

// switched is told when somebody else changed the mode; the mitra wants to work and comes back.
func (m *mitra) switched(event *protocol.PresenceUpdate, at time.Time) {
	if event.Reason == protocol.PresenceSelf || event.Reason == protocol.PresenceFinished {
		return
	}
	// While things are broken, what is read here may be old: then the oracle judges, by the row's time.
	if event.Reason == protocol.PresenceHeartbeatTimeout && m.world.opts.During == nil && at.Sub(m.lastBeat) < m.world.opts.Stale/2 {
		m.breach(BeatsCount, "%s went offline by heartbeat timeout %v after an answered heartbeat",
			m.name, at.Sub(m.lastBeat).Round(time.Millisecond))
	}
	if m.wanted == protocol.ModeOnline {
		m.in(time.Second+m.dice.upTo(2*time.Second), func() {
			if m.wanted == protocol.ModeOnline {
				m.setMode(protocol.ModeOnline, nil)
			}
		})
	}
}

// offered sends the receipt at once and thinks about it; a doubled offer changes nothing.
func (m *mitra) offered(o *protocol.Offer, at time.Time) {
	m.tell(&protocol.OfferReceived{OfferID: o.OfferID})
	if _, seen := m.offers[o.OfferID]; seen {
		return
	}
	m.offers[o.OfferID] = false
	if took, first := m.world.ledger.offer(o.SessionID, at); first {
		m.world.meters.firstOffer.add(took)
	}
	if since := at.Sub(m.offline); !m.offline.IsZero() && since > m.world.opts.Late {
		m.breach(OnlineOnly, "offer %s of session %s came to %s, offline for %v",
			o.OfferID, o.SessionID, m.name, since.Round(time.Millisecond))
	}
	id := o.OfferID
	m.in(m.world.opts.Think.draw(m.dice), func() { m.decide(id) })
}

func (m *mitra) decide(offer protocol.UUID) {
	if m.offers[offer] || m.leaves || len(m.sessions) >= m.capacity && m.dice.IntN(100) >= greedy {
		return
	}
	switch roll := m.dice.IntN(100); {
	case roll < ignores:
	case roll < ignores+declines:
		m.ask(&protocol.OfferDecline{OfferID: offer, Reason: "break"}, nil)
	default:
		asked := time.Now()
		m.ask(&protocol.OfferAccept{OfferID: offer}, func(got answer) {
			if got.err == nil && got.ack.Session != nil {
				m.won(got.ack.Session, asked)
			}
		})
	}
}

// won is told that the accept was acknowledged.
func (m *mitra) won(s *protocol.Session, asked time.Time) {
	if m.world.opts.Paid && m.dice.IntN(100) < unhappy {
		m.in(m.world.opts.Talk.draw(m.dice), func() { m.reroute(s.SessionID) })
	}
	if took, ok := m.world.ledger.accepted(s, m.account.ID, asked, m.capacity); ok {
		m.world.meters.told.add(took)
	}
	m.observe(s, 0)
	if id := s.SessionID; s.Status == protocol.StatusActive && endedByMitra(id) {
		m.in(m.world.opts.Talk.draw(m.dice), func() { m.end(id) })
	}
}

// reroute gives a session that it still holds to somebody else.
func (m *mitra) reroute(id protocol.UUID) {
	version, held := m.sessions[id]
	if !held || m.leaves {
		return
	}
	m.world.ledger.ending(id)
	m.ask(&protocol.SessionReroute{SessionID: id, Reason: "somebody else, please"}, func(got answer) {
		if got.err == nil && got.ack.Session != nil {
			m.world.meters.rerouted.Add(1)
			m.observe(got.ack.Session, version)
		}
	})
}

// endedByMitra lets both sides know, without a word, who ends a session.
func endedByMitra(id protocol.UUID) bool { return int(id[15])%100 < mitraEnds }

// end ends a session that it still holds.
func (m *mitra) end(id protocol.UUID) {
	version, held := m.sessions[id]
	if !held {
		return
	}
	m.world.ledger.ending(id)
	m.ask(&protocol.SessionEnd{SessionID: id}, func(got answer) {
		if got.err == nil && got.ack.Session != nil {
			m.observe(got.ack.Session, version)
		}
	})
}

// observe takes a session as it is shown; floor is the version that was held when an answer's request was sent.
func (m *mitra) observe(s *protocol.Session, floor int64) {
	m.world.ledger.observe(m.name, s)
	if s.Price != nil || s.Payment != nil {
		m.breach(MoneyHidden, "session %s: %s was shown its price or its payment", s.SessionID, m.name)
	}
	if s.Version < floor {
		m.breach(VersionGrows, "session %s: %s held version %d and was answered %d", s.SessionID, m.name, floor, s.Version)
	}
	switch held, ok := m.sessions[s.SessionID]; {
	case ok && s.Version <= held:
		if s.Version < held {
			m.world.meters.stale.Add(1)
		}
	case s.Status == protocol.StatusActive || s.Status == protocol.StatusPendingPayment:
		if !m.world.ledger.over(s.SessionID) {
			m.sessions[s.SessionID] = s.Version
		}
	default:
		delete(m.sessions, s.SessionID)
	}
}

// takeBreaks goes offline for a while now and then, between sessions.
func (m *mitra) takeBreaks() {
	every := m.world.opts.Breaks
	if every <= 0 || m.leaves {
		return
	}
	m.in(time.Duration(m.dice.ExpFloat64()*float64(every)), func() {
		defer m.takeBreaks()
		if m.leaves || m.world.over.Load() || m.wanted != protocol.ModeOnline || len(m.sessions) > 0 {
			return
		}
		m.setMode(protocol.ModeOffline, func(time.Time) {
			m.in(m.world.opts.Late+breakTime, func() {
				if !m.leaves {
					m.setMode(protocol.ModeOnline, nil)
				}
			})
		})
	})
}

// finish goes offline for good. All customers are gone by now, so it must hold none of their sessions.
func (m *mitra) finish() {
	m.leaves = true
	m.setMode(protocol.ModeOffline, func(time.Time) {
		if !m.world.opts.Verify {
			m.leave()
			return
		}
		m.in(lastWords, m.compare)
	})
}

// compare holds the gateway's state, and what it told this mitra, to what happened.
func (m *mitra) compare() {
	for id := range m.sessions {
		if m.world.ledger.over(id) {
			m.breach(StateAgrees, "%s was not told that session %s is over", m.name, id)
		}
	}
	m.ask(&protocol.StateGet{}, func(got answer) {
		if got.err == nil && got.ack.State != nil && got.ack.State.Mitra != nil {
			m.verify(got.ack.State.Mitra)
		}
		m.leave()
	})
}

func (m *mitra) verify(state *protocol.MitraState) {
	for _, s := range state.Sessions {
		if m.world.ledger.over(s.SessionID) {
			m.breach(StateAgrees, "%s still holds session %s (%s, version %d), which is over",
				m.name, s.SessionID, s.Status, s.Version)
		}
	}
	if state.Mode != protocol.ModeOffline {
		m.breach(StateAgrees, "%s went offline and is %s", m.name, state.Mode)
	}
	if state.Capacity != len(state.Sessions) {
		m.breach(StateAgrees, "%s has capacity %d and %d sessions", m.name, state.Capacity, len(state.Sessions))
	}
}
