package gateway_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

// gate lets calls wait until the test opens it.
type gate struct {
	reached chan struct{} // one for each call that has come
	open    chan struct{}
	once    sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{}, 1024), open: make(chan struct{})} }

func (g *gate) pass(ctx context.Context) {
	g.reached <- struct{}{}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
}

// await returns when one more call has come.
func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(patience):
		require.Fail(t, "nobody came")
	}
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func event(t *testing.T, id int64, kind core.EventKind, to core.UserID, body any) core.Event {
	t.Helper()
	e, err := core.NewEvent(kind, to, body)
	require.NoError(t, err)
	e.ID = id
	return e
}

func TestWelcomeComesFirst(t *testing.T) {
	t.Parallel()
	reading := newGate()
	r := newRig(t, gateway.Config{}, func(w *world) {
		w.onLive = func(ctx context.Context) ([]chat.Session, error) {
			reading.pass(ctx)
			return []chat.Session{{ID: core.NewID[core.SessionID](), Version: 1, Status: chat.Searching}}, nil
		}
	})
	who := principal(core.Customer)
	p := r.dial(r.tokens.issue(who))
	p.send(&protocol.AvailabilitySubscribe{}, 1)
	p.send(&protocol.PairingCancel{SessionID: protocol.UUID(core.NewID[core.SessionID]())}, 2)
	reading.await(t) // it is registered, and its state is being read
	const flood = 200
	for i := range flood {
		s := chat.Session{ID: core.NewID[core.SessionID](), Version: int64(i), Status: chat.Searching}
		r.Event(event(t, int64(i+1), core.SessionUpdated, who.ID, s))
	}

	var ack protocol.Ack
	p.expect(&ack, 1) // overtakes
	require.Equal(t, 3, *ack.Available)
	reading.release()
	welcome := p.welcome()
	require.Equal(t, protocol.UUID(who.ID), welcome.UserID)
	require.NotNil(t, welcome.State.Customer.Session)
	require.Equal(t, 3, welcome.State.Customer.Available)
	require.Equal(t, 15, welcome.HeartbeatSeconds)
	require.Equal(t, 16384, welcome.MaxMessageBytes)
	require.Equal(t, who.ExpiresAt.UnixMilli(), welcome.TokenExpiresAt)
	for i := range flood {
		var m protocol.SessionUpdate
		p.expect(&m, 0)
		require.EqualValues(t, i, m.Session.Version, "held events come in order")
	}
	p.expect(&ack, 2) // asked before welcome, answered after it
}

func TestHeldEventsAreBounded(t *testing.T) {
	t.Parallel()
	reading := newGate()
	defer reading.release()
	cfg := gateway.Config{}
	cfg.Socket.OutboundQueueBytes = 4096
	r := newRig(t, cfg, func(w *world) {
		w.onLive = func(ctx context.Context) ([]chat.Session, error) { reading.pass(ctx); return nil, nil }
	})
	who := principal(core.Customer)
	p := r.dial(r.tokens.issue(who))
	reading.await(t)
	for i := range 100 {
		r.Event(event(t, int64(i+1), core.SessionUpdated, who.ID, chat.Session{ID: core.NewID[core.SessionID]()}))
	}
	require.Equal(t, protocol.CloseSlow, p.ends())
}

func TestAnswersComeInOrder(t *testing.T) {
	t.Parallel()
	slow := newGate()
	r := newRig(t, gateway.Config{}, func(w *world) {
		w.onCancel = func(ctx context.Context, id core.SessionID) (chat.Session, error) {
			slow.pass(ctx)
			return chat.Session{ID: id}, nil
		}
	})
	p := r.connect(core.Customer)
	cancel := &protocol.PairingCancel{SessionID: protocol.UUID(core.NewID[core.SessionID]())}
	p.send(cancel, 1)
	p.send(&protocol.PresenceSet{Mode: protocol.ModeOnline}, 2) // FORBIDDEN at once, but in its turn
	p.send(&protocol.StateGet{}, 3)
	p.send(cancel, 0)                     // carried out, not answered
	p.send(&protocol.PairingRequest{}, 4) // no key
	slow.await(t)
	p.send(&protocol.Heartbeat{}, 5)
	p.send(&protocol.AvailabilitySubscribe{}, 6)
	p.send(&protocol.AvailabilityUnsubscribe{}, 7)
	for id := uint32(5); id <= 7; id++ {
		p.expect(new(protocol.Ack), id) // 1, 2, 4 and 5 overtake
	}
	slow.release()
	p.expect(new(protocol.Ack), 1)
	p.fails(2, protocol.CodeForbidden)
	p.expect(new(protocol.Ack), 3)
	p.fails(4, protocol.CodeBadMessage)
}

func TestOverload(t *testing.T) {
	t.Parallel()
	cancel := &protocol.PairingCancel{SessionID: protocol.UUID(core.NewID[core.SessionID]())}

	t.Run("OK all workers busy: the loop answers, who comes is welcomed in its turn", func(t *testing.T) {
		t.Parallel()
		slow := newGate()
		r := newRig(t, gateway.Config{Workers: 1, Line: 1}, func(w *world) {
			w.onCancel = func(ctx context.Context, id core.SessionID) (chat.Session, error) {
				slow.pass(ctx)
				return chat.Session{ID: id}, nil
			}
		})
		busy, patient, other := r.connect(core.Customer), r.connect(core.Customer), r.connect(core.Customer)
		r.idle()
		busy.send(cancel, 1)
		slow.await(t)
		patient.send(cancel, 1)
		patient.beats(2) // its request is in line
		other.send(cancel, 2)
		require.NotEmpty(t, other.fails(2, protocol.CodeOverloaded).Message)
		other.send(cancel, 0) // not even an error
		other.beats(3)

		late := r.dial(r.tokens.issue(principal(core.Mitra)))
		late.beats(9) // it is up, and heard
		require.EqualValues(t, 2, r.Stats().InLine)
		slow.release()
		late.welcome()
		busy.expect(new(protocol.Ack), 1)
		patient.expect(new(protocol.Ack), 1)
		r.idle()
		other.send(cancel, 4)
		other.expect(new(protocol.Ack), 4)
		require.EqualValues(t, 2, r.Stats().Overloaded)
	})

	t.Run("ErrOverloaded a request that got old in line is not carried out", func(t *testing.T) {
		t.Parallel()
		slow := newGate()
		r := newRig(t, gateway.Config{Workers: 1, LineLimit: time.Nanosecond}, func(w *world) {
			w.onLive = func(ctx context.Context) ([]chat.Session, error) { slow.pass(ctx); return nil, nil }
			w.onCancel = func(context.Context, core.SessionID) (chat.Session, error) { panic("must not be asked") }
		})
		p := r.dial(r.tokens.issue(principal(core.Customer)))
		slow.await(t)
		p.send(cancel, 1)
		slow.release()
		p.welcome()
		p.fails(1, protocol.CodeOverloaded)
	})

	t.Run("OK a full queue answers in order, a flood is closed", func(t *testing.T) {
		t.Parallel()
		slow := newGate()
		cfg := gateway.Config{QueueLength: 2}
		cfg.Socket.FramesPerSecond = 1000
		r := newRig(t, cfg, func(w *world) {
			w.onCancel = func(ctx context.Context, id core.SessionID) (chat.Session, error) {
				slow.pass(ctx)
				return chat.Session{ID: id}, nil
			}
		})
		p := r.connect(core.Customer)
		r.idle()
		for id := uint32(1); id <= 4; id++ {
			p.send(cancel, id)
		}
		p.beats(5)
		slow.release()
		p.expect(new(protocol.Ack), 1)
		p.expect(new(protocol.Ack), 2)
		p.fails(3, protocol.CodeOverloaded)
		p.fails(4, protocol.CodeOverloaded)
	})

	t.Run("ErrRateLimited more than a queue and what is refused after it", func(t *testing.T) {
		t.Parallel()
		slow := newGate()
		defer slow.release()
		cfg := gateway.Config{QueueLength: 2}
		cfg.Socket.FramesPerSecond = 1000
		r := newRig(t, cfg, func(w *world) {
			w.onCancel = func(ctx context.Context, id core.SessionID) (chat.Session, error) {
				slow.pass(ctx)
				return chat.Session{ID: id}, nil
			}
		})
		p := r.connect(core.Customer)
		r.idle()
		for id := uint32(1); id <= 9; id++ {
			p.send(cancel, id)
		}
		require.Positive(t, p.fails(0, protocol.CodeRateLimited).RetryAfterMS)
		require.Equal(t, protocol.CloseRateLimited, p.ends())
	})
}

func TestOneConnectionOneWorker(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	running := map[core.SessionID]int{}
	r := newRig(t, gateway.Config{Workers: 3}, func(w *world) {
		w.onCancel = func(_ context.Context, id core.SessionID) (chat.Session, error) {
			mu.Lock()
			running[id]++
			alone := running[id] == 1
			mu.Unlock()
			defer func() {
				mu.Lock()
				running[id]--
				mu.Unlock()
			}()
			if !alone {
				return chat.Session{}, core.Errorf(core.Internal, "two at a time")
			}
			return chat.Session{ID: id}, nil
		}
	})
	var peers []*peer
	for range 8 {
		peers = append(peers, r.connect(core.Customer))
	}
	const requests = 30
	var all sync.WaitGroup
	for _, p := range peers {
		all.Go(func() {
			cancel := &protocol.PairingCancel{SessionID: protocol.UUID(core.NewID[core.SessionID]())}
			for id := uint32(1); id <= requests; id++ {
				p.send(cancel, id)
			}
			for id := uint32(1); id <= requests; id++ {
				f := p.next()
				require.Equal(t, id, f.ID)
				if f.Kind == protocol.KindError {
					var m protocol.Error
					require.NoError(t, m.Decode(f.Body))
					require.Equal(t, protocol.CodeOverloaded, m.Code)
				}
			}
		})
	}
	all.Wait()
}

func TestEventsReachTheirUsersOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	who := principal(core.Customer)
	phone, tablet, stranger, listener := r.connectAs(who), r.connectAs(who), r.connect(core.Customer), r.connect(core.Mitra)
	s := chat.Session{ID: core.NewID[core.SessionID](), Version: 4, Status: chat.Active, Price: 7}
	r.Event(event(t, 1, core.SessionUpdated, who.ID, s))
	r.Event(event(t, 2, core.SessionUpdated, listener.who.ID, s))
	r.Position(who.Customer(), s.ID, 2, s.CreatedAt)
	for _, p := range []*peer{phone, tablet} {
		var m protocol.SessionUpdate
		p.expect(&m, 0)
		require.EqualValues(t, 7, *m.Session.Price)
		var q protocol.Queue
		p.expect(&q, 0)
		require.Equal(t, 2, q.Position)
	}
	var m protocol.SessionUpdate
	listener.expect(&m, 0)
	require.Nil(t, m.Session.Price)
	stranger.beats(1) // nothing came before this
	require.True(t, r.Listening())
}

func TestOffersAndModes(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	p := r.connect(core.Mitra)
	p.send(&protocol.PresenceSet{Mode: protocol.ModeOnline}, 1)
	var ack protocol.Ack
	p.expect(&ack, 1)
	require.Equal(t, protocol.ModeOnline, ack.Mode)

	gone := pairing.Offer{ID: core.NewID[core.OfferID](), ExpiresAt: p.who.ExpiresAt.AddDate(-1, 0, 0)}
	open := pairing.Offer{ID: core.NewID[core.OfferID](), ExpiresAt: p.who.ExpiresAt}
	r.Event(event(t, 1, core.OfferMade, p.who.ID, gone)) // never sent
	r.Event(event(t, 2, core.OfferMade, p.who.ID, open))
	r.Event(event(t, 3, core.PresenceChanged, p.who.ID, presence.Change{Mode: presence.Online, Reason: presence.Self, Version: 2}))
	var offer protocol.Offer
	p.expect(&offer, 0)
	require.Equal(t, protocol.UUID(open.ID), offer.OfferID)
	require.Positive(t, offer.ServerTime)
	p.expect(new(protocol.PresenceUpdate), 0)
	p.send(&protocol.OfferReceived{OfferID: offer.OfferID}, 2) // never acknowledged
	p.send(&protocol.OfferAccept{OfferID: offer.OfferID}, 3)
	p.expect(&ack, 3)
	require.Equal(t, protocol.StatusActive, ack.Session.Status)

	require.False(t, r.Listening(), "no customer is here")
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	require.Positive(t, r.world.beats[p.who.Mitra()], "every frame is a sign of life")
}
