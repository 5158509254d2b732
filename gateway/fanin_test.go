package gateway_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

func update(t *testing.T, id int64, to core.UserID, version int64) core.Event {
	t.Helper()
	return event(t, id, core.SessionUpdated, to, chat.Session{ID: core.SessionID(to), Version: version, Status: chat.Searching})
}

func (p *peer) updated(version int64) {
	p.t.Helper()
	var m protocol.SessionUpdate
	p.expect(&m, 0)
	require.Equal(p.t, version, m.Session.Version)
}

func TestOutboxWhileTheBusIsOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{OutboxPoll: 20 * time.Millisecond}, nil)
	p := r.connect(core.Customer)
	r.Event(update(t, 1, p.who.ID, 1)) // over the bus
	p.updated(1)
	require.Zero(t, r.Stats().OutboxReads, "not read while the bus is live")

	r.world.live.Store(false)
	r.world.commit(update(t, 1, p.who.ID, 1), update(t, 3, p.who.ID, 3))
	p.updated(3) // the first is dropped: it was here before
	r.world.commit(update(t, 2, p.who.ID, 2))
	p.updated(2) // committed after a higher id
	p.beats(1)
	require.Positive(t, r.Stats().Duplicates)
	r.world.mu.Lock()
	for _, age := range r.world.reads {
		require.Greater(t, age, 3*time.Second, "every read overlaps")
		require.LessOrEqual(t, age, time.Minute)
	}
	require.Greater(t, r.world.reads[0], 10*time.Second, "the first one looks far back")
	r.world.mu.Unlock()

	r.world.live.Store(true)
	last := uint64(0)
	require.Eventually(t, func() bool { // one more read covers what came since, then none
		before := last
		last = r.Stats().OutboxReads
		return last == before
	}, patience, 100*time.Millisecond)
}

// An offer that is gone when it is read is not sent, whoever brings it afterwards.
func TestOutboxLeavesOutWhatIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{OutboxPoll: 20 * time.Millisecond}, nil)
	p := r.connect(core.Mitra)
	gone, open := core.NewID[core.OfferID](), core.NewID[core.OfferID]()
	offer := func(id int64, offer core.OfferID) core.Event {
		return event(t, id, core.OfferMade, p.who.ID, pairing.Offer{ID: offer, ExpiresAt: time.Now().Add(time.Minute)})
	}
	r.world.live.Store(false)
	r.world.commit(offer(1, gone), event(t, 2, core.OfferClosed, p.who.ID, pairing.Closed{OfferID: gone, Reason: pairing.ClosedTaken}), offer(3, open))
	var closed protocol.OfferClosed
	p.expect(&closed, 0)
	require.Equal(t, protocol.UUID(gone), closed.OfferID)
	r.Event(offer(1, gone))
	var m protocol.Offer
	p.expect(&m, 0)
	require.Equal(t, protocol.UUID(open), m.OfferID)
	p.beats(1)
}

func TestResubscribedReadsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{OutboxPoll: time.Hour}, nil)
	p := r.connect(core.Customer)
	r.world.commit(update(t, 7, p.who.ID, 7))
	r.Resubscribed() // the outage was so short that nobody noticed it
	p.updated(7)
	r.Event(update(t, 7, p.who.ID, 7))
	r.Event(update(t, 8, p.who.ID, 8))
	p.updated(8)
	require.EqualValues(t, 1, r.Stats().OutboxReads)
}

func TestEventsOfAnotherBuild(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	p := r.connect(core.Customer)
	tomorrow := update(t, 1, p.who.ID, 1)
	tomorrow.Version = core.EventVersion + 1
	r.Event(tomorrow)
	unheardOf := update(t, 2, p.who.ID, 2)
	unheardOf.Kind = "of.tomorrow"
	r.Event(unheardOf)
	poison := update(t, 3, p.who.ID, 3)
	poison.Body = []byte(`"poison`)
	for _, kind := range []core.EventKind{core.SessionUpdated, core.AuthRevoked, core.MitraReplaced, core.PresenceChanged} {
		poison.Kind = kind
		poison.ID++
		r.Event(poison)
	}
	r.Event(update(t, 9, p.who.ID, 9))
	p.updated(9)
	require.EqualValues(t, 6, r.Stats().UnknownEvents)
}

func TestEventsWithoutAnIDAreNoDuplicates(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	p := r.connect(core.Customer)
	r.Event(update(t, 0, p.who.ID, 1))
	r.Event(update(t, 0, p.who.ID, 2))
	p.updated(1)
	p.updated(2)
}

func TestAvailability(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{Pace: 50 * time.Millisecond}, nil)
	listening, silent := r.connect(core.Customer), r.connect(core.Customer)
	mitra := r.connect(core.Mitra)
	var ack protocol.Ack
	listening.send(&protocol.AvailabilitySubscribe{}, 1)
	listening.expect(&ack, 1)
	require.Equal(t, 3, *ack.Available)
	require.Positive(t, ack.At)
	mitra.send(&protocol.AvailabilitySubscribe{}, 1)
	mitra.fails(1, protocol.CodeForbidden)

	at := time.Now().Add(time.Minute)
	for n := range 1000 {
		r.Availability(n+10, at.Add(time.Duration(n)*time.Millisecond))
	}
	r.Availability(5, at) // counted before the last
	frames := 0
	for last := 0; last != 1009; frames++ {
		var m protocol.Availability
		listening.expect(&m, 0)
		require.Greater(t, m.Available, last)
		last = m.Available
	}
	require.Less(t, frames, 20, "conflated")
	require.Equal(t, 1009, r.Available().Count)
	silent.beats(1)
	mitra.beats(2)

	listening.send(&protocol.AvailabilityUnsubscribe{}, 2)
	listening.expect(&ack, 2)
	r.Availability(4, at.Add(time.Hour))
	silent.send(&protocol.AvailabilitySubscribe{}, 2)
	silent.expect(&ack, 2)
	require.Equal(t, 4, *ack.Available)
	r.Availability(6, at.Add(2*time.Hour))
	var m protocol.Availability
	silent.expect(&m, 0)
	for m.Available != 6 {
		silent.expect(&m, 0)
	}
	listening.beats(3)
}

func TestEverythingButListenFirst(t *testing.T) {
	t.Parallel()
	g := gateway.New(gateway.Config{}, &tokens{}, time.Now, nil)
	g.Availability(4, time.Now())
	g.Deactivated([]core.MitraID{core.NewID[core.MitraID]()})
	g.Position(core.NewID[core.CustomerID](), core.NewID[core.SessionID](), 1, time.Now())
	g.Event(update(t, 1, core.NewID[core.UserID](), 1))
	g.Resubscribed()
	require.False(t, g.Listening())
	require.Equal(t, 4, g.Available().Count)
}
