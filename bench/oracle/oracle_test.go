package oracle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/protocol"
)

var (
	sari     = protocol.UUID{1}
	customer = protocol.UUID{2}
	talk     = protocol.UUID{3}
	offer    = protocol.UUID{4}
)

// stores answers with what it holds, after it has failed as often as it is told to.
type stores struct {
	audit  oracle.Audit
	errs   int
	looked int
}

func (s *stores) Audit(context.Context, time.Time) (oracle.Audit, error) {
	s.looked++
	if s.looked <= s.errs {
		return oracle.Audit{}, errors.New("the gateway is away")
	}
	return s.audit, nil
}

// scene is a run in which everything is well: Sari has one session with the customer, and room for another.
type scene struct {
	record *oracle.Record
	stores *stores
	mitra  *oracle.Socket
	app    *oracle.Socket
}

func newScene() *scene {
	now := time.Now().UnixMilli()
	s := &scene{record: oracle.NewRecord(), stores: &stores{audit: oracle.Audit{
		Now: now, ValkeyNow: now, Stale: 45_000, Available: 1, Fresh: 1, Waiting: 1, Sockets: 1,
		Mitras: []oracle.Mitra{{
			ID: sari, Mode: protocol.ModeOnline, Active: true, Capacity: 1, MaxCapacity: 2, Epoch: 7, Version: 5,
			Mirror: oracle.Mirror{Online: true, Capacity: "1", Version: 5, Epoch: 7, Heartbeat: now, Available: &now, Waiting: &now},
		}},
		Sessions: []oracle.Session{{
			ID: talk, Customer: customer, Mitra: sari, Status: protocol.StatusActive, Version: 2,
			Offers: []oracle.Offer{{ID: offer, Mitra: sari, Status: "accepted", At: now - 1000}},
		}},
		Modes: []oracle.Change{{Mitra: sari, Mode: protocol.ModeOnline, Active: true, Reason: protocol.PresenceSelf, At: now - 5000}},
	}}}
	s.mitra = s.record.Open(sari, protocol.RoleMitra)
	s.mitra.Received(0, &protocol.Welcome{State: &protocol.State{Mitra: &protocol.MitraState{Mode: protocol.ModeOffline}}})
	s.app = s.record.Open(customer, protocol.RoleCustomer)
	s.app.Received(0, &protocol.Welcome{State: &protocol.State{Customer: &protocol.CustomerState{}}})
	s.ask(s.app, 1, &protocol.AvailabilitySubscribe{}, &protocol.Ack{Available: new(int)})
	s.ask(s.mitra, 1, &protocol.PresenceSet{Mode: protocol.ModeOnline}, &protocol.Ack{Mode: protocol.ModeOnline})
	s.app.Received(0, &protocol.Availability{Available: 1})
	s.ask(s.app, 2, &protocol.PairingRequest{}, session(protocol.StatusSearching, 1))
	s.mitra.Received(0, &protocol.Offer{OfferID: offer, SessionID: talk})
	s.ask(s.mitra, 2, &protocol.OfferAccept{OfferID: offer}, session(protocol.StatusActive, 2))
	s.app.Received(0, &protocol.SessionUpdate{Session: *session(protocol.StatusActive, 2).Session})
	return s
}

func session(status protocol.SessionStatus, version int64) *protocol.Ack {
	return &protocol.Ack{Session: &protocol.Session{SessionID: talk, Status: status, Version: version}}
}

func (s *scene) ask(from *oracle.Socket, id uint32, request, answer protocol.Message) {
	from.Sent(id, request)
	from.Received(id, answer)
}

func (s *scene) sari() *oracle.Mitra   { return &s.stores.audit.Mitras[0] }
func (s *scene) talk() *oracle.Session { return &s.stores.audit.Sessions[0] }

func (s *scene) settled(t *testing.T) []oracle.Breach {
	t.Helper()
	return oracle.New(s.record, s.stores).Settled(t.Context(), time.Millisecond)
}

func TestSettledOK(t *testing.T) {
	t.Parallel()
	require.Empty(t, newScene().settled(t))
}

func TestSettledNotices(t *testing.T) {
	t.Parallel()
	away := func(s *scene, reason protocol.PresenceReason, at int64) {
		s.stores.audit.Modes = append(s.stores.audit.Modes, oracle.Change{Mitra: sari, Mode: protocol.ModeOffline, Active: true, Reason: reason, At: at})
	}
	for name, c := range map[string]struct {
		rule oracle.Rule
		do   func(s *scene)
	}{
		"a session that was promised is gone":    {oracle.Kept, func(s *scene) { s.stores.audit.Sessions = nil }},
		"a session is older than what was acked": {oracle.Kept, func(s *scene) { s.talk().Version = 1 }},
		"an accept that was acked went to another": {oracle.Kept, func(s *scene) {
			s.talk().Offers[0].Mitra = protocol.UUID{9}
		}},
		"an end that was acked is none": {oracle.Kept, func(s *scene) {
			s.ask(s.app, 3, &protocol.SessionEnd{SessionID: talk}, session(protocol.StatusEnded, 3))
		}},
		"a mode that was acked is another": {oracle.Kept, func(s *scene) { s.sari().Mode = protocol.ModeOffline }},
		"two winners": {oracle.Winner, func(s *scene) {
			s.talk().Offers = append(s.talk().Offers, oracle.Offer{Mitra: protocol.UUID{9}, Status: "accepted"})
		}},
		"over capacity": {oracle.Room, func(s *scene) { s.sari().MaxCapacity = 0 }},
		"an offer to the offline": {oracle.Asked, func(s *scene) {
			away(s, protocol.PresenceSelf, s.talk().Offers[0].At-4000)
		}},
		"taken offline while it beats": {oracle.Beating, func(s *scene) {
			away(s, protocol.PresenceHeartbeatTimeout, s.stores.audit.Now+1000)
		}},
		"another capacity in the mirror":   {oracle.Mirrored, func(s *scene) { s.sari().Mirror.Capacity = "0" }},
		"an older version in the mirror":   {oracle.Mirrored, func(s *scene) { s.sari().Mirror.Version = 4 }},
		"no socket in the mirror":          {oracle.Present, func(s *scene) { s.sari().Mirror.Epoch = 0 }},
		"a socket that nobody has":         {oracle.Present, func(s *scene) { s.mitra.Closed(errors.New("cut")) }},
		"not counted":                      {oracle.Counted, func(s *scene) { s.sari().Mirror.Available = nil }},
		"counted without a socket":         {oracle.Counted, func(s *scene) { s.mitra.Closed(errors.New("cut")) }},
		"no candidate":                     {oracle.Counted, func(s *scene) { s.sari().Mirror.Waiting = nil }},
		"another count is told":            {oracle.Counted, func(s *scene) { s.stores.audit.Available = 4 }},
		"a customer saw another count":     {oracle.Shown, func(s *scene) { s.app.Received(0, &protocol.Availability{Available: 2}) }},
		"an update was lost":               {oracle.Told, func(s *scene) { s.talk().Version = 3 }},
		"a rupiah too few":                 {oracle.Level, func(s *scene) { s.stores.audit.Books = oracle.Books{Receipts: 25_000, Funds: 24_999, Prices: 24_999} }},
		"what was put in is no price":      {oracle.Level, func(s *scene) { s.stores.audit.Books = oracle.Books{Receipts: 25_000, Funds: 25_000} }},
		"a balance without an explanation": {oracle.Level, func(s *scene) { s.stores.audit.Books.Wrong = []string{"balance of a customer"} }},
		"a socket does not know of its session": {oracle.Told, func(s *scene) {
			s.app.Received(0, &protocol.Welcome{State: &protocol.State{Customer: &protocol.CustomerState{}}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			c.do(s)
			var rules []oracle.Rule
			for _, b := range s.settled(t) {
				rules = append(rules, b.Rule)
				require.Contains(t, b.String(), string(b.Rule))
			}
			require.Contains(t, rules, c.rule)
		})
	}
}

func TestBooksThatAreLevel(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.stores.audit.Books = oracle.Books{Receipts: 50_000, Operators: 10_000, Funds: 45_000, Prices: 45_000, Returned: 7_000, Balances: 2_000, Refunds: 20_000}
	require.Empty(t, s.settled(t))
}

func TestSettledLetsPass(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(s *scene){
		"a mitra at its capacity is not counted": func(s *scene) {
			s.sari().MaxCapacity, s.sari().Mirror.Available, s.sari().Mirror.Waiting = 1, nil, nil
			s.stores.audit.Available, s.stores.audit.Fresh = 0, 0
			s.app.Received(0, &protocol.Availability{})
		},
		"what went on after an ack": func(s *scene) {
			s.talk().Status, s.talk().Version = protocol.StatusEnded, 3
			for _, socket := range []*oracle.Socket{s.mitra, s.app} {
				socket.Received(0, &protocol.SessionUpdate{Session: *session(protocol.StatusEnded, 3).Session})
			}
		},
		"an offer of a transaction that began just before": func(s *scene) {
			s.stores.audit.Modes[0].At = s.talk().Offers[0].At + 500 // came online while the transaction chose
			s.stores.audit.Modes = append([]oracle.Change{{
				Mitra: sari, Mode: protocol.ModeOffline, Active: true, At: s.talk().Offers[0].At - 10_000,
			}}, s.stores.audit.Modes...)
		},
		"a silent mitra is taken offline": func(s *scene) {
			s.stores.audit.Modes = append(s.stores.audit.Modes, oracle.Change{
				Mitra: sari, Mode: protocol.ModeOffline, Active: true, Reason: protocol.PresenceHeartbeatTimeout, At: s.stores.audit.Now + 60_000,
			})
		},
		"a stranger is somebody else's": func(s *scene) {
			s.stores.audit.Mitras = append(s.stores.audit.Mitras, oracle.Mitra{ID: protocol.UUID{8}, Mode: protocol.ModeOnline, MaxCapacity: 1})
		},
		"the gateway is away for a moment": func(s *scene) { s.stores.errs = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			do(s)
			require.Empty(t, oracle.New(s.record, s.stores).Settled(t.Context(), 10*time.Second))
		})
	}
}

// Alone, the oracle answers for strangers, too.
func TestAlone(t *testing.T) {
	t.Parallel()
	s := newScene()
	now := s.stores.audit.ValkeyNow
	s.stores.audit.Mitras = append(s.stores.audit.Mitras, oracle.Mitra{
		ID: protocol.UUID{8}, Mode: protocol.ModeOnline, Active: true, MaxCapacity: 1, Epoch: 1, Version: 1,
		Mirror: oracle.Mirror{Online: true, Capacity: "0", Version: 1, Epoch: 1, Available: &now, Waiting: &now},
	})
	s.stores.audit.Available, s.stores.audit.Fresh = 2, 2
	s.app.Received(0, &protocol.Availability{Available: 2})
	require.Empty(t, s.settled(t))
	alone := oracle.New(s.record, s.stores)
	alone.Alone = true
	require.Len(t, alone.Settled(t.Context(), time.Millisecond), 2, "a socket and a count that nobody answers for")
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.stores.errs = 2
	require.Empty(t, oracle.New(s.record, s.stores).Recovered(t.Context(), 10*time.Second), "counted as soon as it can be seen")

	s.sari().Mirror.Available = nil
	broken := oracle.New(s.record, s.stores).Recovered(t.Context(), 300*time.Millisecond)
	require.Len(t, broken, 1)
	require.Equal(t, oracle.Counted, broken[0].Rule)
	require.Contains(t, broken[0].Detail, sari.String())
	require.Contains(t, broken[0].Detail, "is online, acknowledged", "with its history")

	s.sari().Capacity = 2
	require.Empty(t, oracle.New(s.record, s.stores).Recovered(t.Context(), time.Second), "who is busy is let off")
	s.sari().Capacity = 3
	require.Equal(t, oracle.Room, oracle.New(s.record, s.stores).Recovered(t.Context(), time.Second)[0].Rule)
}

// Without a record nothing is noted, and nobody has to ask for it.
func TestNoRecord(t *testing.T) {
	t.Parallel()
	var none *oracle.Record
	socket := none.Open(sari, protocol.RoleMitra)
	socket.Sent(1, &protocol.Heartbeat{})
	socket.Received(1, &protocol.Ack{})
	socket.Closed(nil)
	none.Note(sari, "nothing")
	require.Empty(t, none.History(sari))
}
