package sim

import (
	"fmt"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

// givesUp is the share of searches, in percent, that the customer cancels while they run.
const givesUp = 5

// patience is within which time a customer who gives up does so.
const patience = 80 * time.Millisecond

// phase is what a customer does now.
type phase uint8

const (
	resting phase = iota
	asking        // pairing.request is under way
	searching
	talking
	stopping // pairing.cancel is under way
	gone
)

// customer watches the count, and now and then asks for a mitra.
type customer struct {
	actor

	// Owned by run.
	phase   phase
	session protocol.UUID // zero while there is none, or asking
	version int64
	due     time.Time
	count   int
	counted bool
	leaves  bool
	done    chan struct{} // closed when it leaves and has nothing open any more
	purse
}

func newCustomer(w *world, number int, account client.Account) *customer {
	c := &customer{
		actor: newActor(w, protocol.RoleCustomer, number, account), done: make(chan struct{}),
		purse: purse{bills: make(map[protocol.UUID]bool)},
	}
	c.part = c
	return c
}

// welcomed subscribes, and finds out what became of the session meanwhile.
func (c *customer) welcomed(w *protocol.Welcome) {
	c.ask(&protocol.AvailabilitySubscribe{}, func(got answer) {
		if got.err == nil && got.ack.Available != nil {
			c.counts(*got.ack.Available, got.at)
		}
		if !c.isReady {
			c.becomeReady()
			c.world.idle <- c
		}
	})
	if w.State == nil || w.State.Customer == nil {
		return
	}
	switch s := w.State.Customer.Session; {
	case s != nil && (c.session == s.SessionID || c.phase == asking):
		c.observe(s, 0, time.Now())
	case s == nil:
		c.settle(&c.world.meters.ended)
	}
}

func (c *customer) event(event protocol.Message, at time.Time) {
	switch event := event.(type) {
	case *protocol.Availability:
		c.counts(event.Available, at)
	case *protocol.SessionUpdate:
		c.observe(&event.Session, 0, at)
	}
}

// counts is told the number of available mitras.
func (c *customer) counts(n int, at time.Time) {
	if c.counted && n != c.count {
		c.world.beacon.changed(c.number, at)
	}
	c.count, c.counted = n, true
	c.world.meters.available.Store(int64(n))
}

// request asks for a mitra; due is when it was to do so.
func (c *customer) request(due time.Time) {
	if c.leaves || c.phase != resting {
		return
	}
	c.phase, c.due = asking, due
	m := &protocol.PairingRequest{RequestKey: fmt.Sprintf("sim-%016x", c.dice.Uint64()), PackageID: c.choosePackage()}
	if c.dice.IntN(4) == 0 {
		m.Note = "Halo, boleh cerita?"
	}
	c.ask(m, func(got answer) {
		switch {
		case got.err == nil && got.ack.Session != nil:
			c.observe(got.ack.Session, 0, got.at)
		case got.err != nil && got.err.Session != nil: // live already: an answer was lost
			c.observe(got.err.Session, 0, got.at)
		}
		if c.phase == asking {
			c.rest()
			return
		}
		if c.phase == searching && (c.leaves || c.dice.IntN(100) < givesUp) {
			c.in(c.dice.upTo(patience), c.cancel)
		}
	})
}

// observe takes a session as it is shown; floor is the version that was held when an answer's request was sent.
func (c *customer) observe(s *protocol.Session, floor int64, at time.Time) {
	c.world.ledger.observe(c.name, s)
	if s.Version < floor {
		c.breach(VersionGrows, "session %s: %s held version %d and was answered %d", s.SessionID, c.name, floor, s.Version)
	}
	if c.phase == asking && c.session.IsZero() && !c.world.ledger.ours(s.SessionID) {
		c.begin(s)
	}
	if s.SessionID != c.session {
		return // one that is over
	}
	if s.Version <= c.version {
		if s.Version < c.version {
			c.world.meters.stale.Add(1)
		}
		return
	}
	c.version = s.Version
	c.pays(s)
	switch {
	case s.Status == protocol.StatusSearching:
		c.searchesAgain()
	case s.Status == protocol.StatusActive && s.Mitra != nil:
		c.matched(s.Mitra.MitraID, at)
	case s.Status == protocol.StatusEnded:
		c.settle(&c.world.meters.ended)
	case s.Status == protocol.StatusCancelled:
		c.settle(&c.world.meters.cancelled)
	case s.Status == protocol.StatusUnmatched:
		c.settle(&c.world.meters.unmatched)
	}
}

// begin is told the id of the session that was asked for, by the answer or by an event that was faster.
func (c *customer) begin(s *protocol.Session) {
	c.session, c.version, c.phase, c.wishes = s.SessionID, 0, searching, 0
	c.world.meters.searching.Add(1)
	if took, known := c.world.ledger.requested(s.SessionID, c.due); known {
		c.world.meters.firstOffer.add(took)
	}
}

// matched is told the mitra. The customer ends the session after a while; when the mitra is to end it, only if nothing happens.
func (c *customer) matched(mitra protocol.UUID, at time.Time) {
	if c.phase != searching && c.phase != stopping {
		return
	}
	if took, ok := c.world.ledger.told(c.session, mitra, at); ok {
		c.world.meters.told.add(took)
	}
	c.world.meters.matched.Add(1)
	c.world.meters.searching.Add(-1)
	c.world.meters.paired.Add(1)
	c.phase = talking
	talk := c.world.opts.Talk.draw(c.dice)
	if endedByMitra(c.session) {
		talk += 2 * c.world.opts.Talk.Max
	}
	if c.leaves {
		talk = 0
	}
	id := c.session
	c.in(talk, func() { c.end(id) })
	c.wish(talk)
}

// cancel gives a search up.
func (c *customer) cancel() {
	if c.phase != searching {
		return
	}
	c.phase = stopping
	c.stop(&protocol.PairingCancel{SessionID: c.session})
}

// end ends the talk, if it still goes on.
func (c *customer) end(id protocol.UUID) {
	if c.phase != talking || c.session != id {
		return
	}
	c.stop(&protocol.SessionEnd{SessionID: id})
}

// stop asks for the end of the session, whatever it is now.
func (c *customer) stop(m protocol.Message) {
	id, floor := c.session, c.version
	c.world.ledger.ending(id)
	c.ask(m, func(got answer) {
		switch {
		case got.err == nil && got.ack.Session != nil:
			c.observe(got.ack.Session, floor, got.at)
		case got.err != nil && got.err.Session != nil: // something else was faster
			c.observe(got.err.Session, 0, got.at)
		}
		switch {
		case c.session != id:
		case c.phase == stopping:
			c.phase = searching
			fallthrough
		case c.phase == talking:
			c.in(time.Second, func() { c.again(id) })
		}
	})
}

// again tries once more to end what could not be ended.
func (c *customer) again(id protocol.UUID) {
	switch {
	case c.session != id:
	case c.phase == talking:
		c.end(id)
	case c.leaves:
		c.cancel()
	}
}

// settle is told that the session is over.
func (c *customer) settle(count interface{ Add(uint64) uint64 }) {
	switch c.phase {
	case resting, asking, gone:
		return
	case talking:
		c.world.meters.paired.Add(-1)
	default:
		c.world.meters.searching.Add(-1)
	}
	count.Add(1)
	c.rest()
}

// rest makes the customer ready for another pairing, or lets it go.
func (c *customer) rest() {
	c.session, c.version, c.phase = protocol.UUID{}, 0, resting
	if c.leaves {
		c.finished()
		return
	}
	c.world.idle <- c
}

// finish ends what there is; done is closed then.
func (c *customer) finish() {
	c.leaves = true
	c.wrapUp()
}

func (c *customer) wrapUp() {
	switch c.phase {
	case resting:
		c.finished()
	case searching:
		c.cancel()
	case talking:
		c.end(c.session)
	}
}

func (c *customer) finished() {
	c.phase = gone
	close(c.done)
}

// goodbye leaves. When nothing is open, the gateway must know of no session either.
func (c *customer) goodbye() {
	if !c.world.opts.Verify {
		c.leave()
		return
	}
	c.ask(&protocol.StateGet{}, func(got answer) {
		if got.err == nil && got.ack.State != nil && got.ack.State.Customer != nil {
			if s := got.ack.State.Customer.Session; s != nil && c.world.ledger.over(s.SessionID) {
				c.breach(StateAgrees, "%s still has session %s (%s, version %d), which is over",
					c.name, s.SessionID, s.Status, s.Version)
			}
		}
		c.leave()
	})
}
