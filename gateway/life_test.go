package gateway_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	cfg := gateway.Config{TokenWarning: 300 * time.Millisecond, TokenGrace: 300 * time.Millisecond}
	lasting := func(who core.Principal, d time.Duration) core.Principal {
		who.ExpiresAt = time.Now().Add(d)
		return who
	}

	t.Run("ErrTokenExpired warned, then closed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, cfg, nil)
		who := lasting(principal(core.Customer), 500*time.Millisecond)
		p := r.connectAs(who)
		var m protocol.AuthExpiring
		p.expect(&m, 0)
		require.Equal(t, who.ExpiresAt.UnixMilli(), m.TokenExpiresAt)
		require.True(t, time.Now().Before(who.ExpiresAt))
		require.Equal(t, protocol.CloseTokenExpired, p.ends())
		require.True(t, time.Now().After(who.ExpiresAt))
	})

	t.Run("OK a refresh moves it", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, cfg, nil)
		who := lasting(principal(core.Customer), 500*time.Millisecond)
		p := r.connectAs(who)
		p.expect(new(protocol.AuthExpiring), 0)
		longer := lasting(who, time.Second)
		p.send(&protocol.AuthRefresh{Token: r.tokens.issue(longer)}, 1)
		var ack protocol.Ack
		p.expect(&ack, 1)
		require.Equal(t, longer.ExpiresAt.UnixMilli(), ack.TokenExpiresAt)
		var m protocol.AuthExpiring
		p.expect(&m, 0) // of the new one
		require.Equal(t, longer.ExpiresAt.UnixMilli(), m.TokenExpiresAt)
		require.Equal(t, protocol.CloseTokenExpired, p.ends())
		require.True(t, time.Now().After(longer.ExpiresAt))
	})

	t.Run("ErrForbidden, ErrTokenExpired tokens that do not fit", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, gateway.Config{}, nil)
		p := r.connect(core.Customer)
		otherUser, otherSession := p.who, p.who
		otherUser.ID = core.NewID[core.UserID]()
		otherSession.Session = core.NewID[core.AuthSessionID]()
		p.send(&protocol.AuthRefresh{Token: r.tokens.issue(otherUser)}, 1)
		require.Equal(t, "token", p.fails(1, protocol.CodeForbidden).Field)
		p.send(&protocol.AuthRefresh{Token: r.tokens.issue(otherSession)}, 2)
		p.fails(2, protocol.CodeForbidden)
		p.send(&protocol.AuthRefresh{Token: r.tokens.refuse(core.Errorf(core.TokenExpired, "over"))}, 3)
		p.fails(3, protocol.CodeTokenExpired)
		older := lasting(p.who, time.Minute)
		p.send(&protocol.AuthRefresh{Token: r.tokens.issue(older)}, 4)
		var ack protocol.Ack
		p.expect(&ack, 4)
		require.Equal(t, p.who.ExpiresAt.UnixMilli(), ack.TokenExpiresAt, "an older one changes nothing")
	})
}

func TestRevoked(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	who := principal(core.Customer)
	phone := r.connectAs(who)
	other := who
	other.Session = core.NewID[core.AuthSessionID]()
	tablet := r.connectAs(other)
	r.Event(event(t, 1, core.AuthRevoked, who.ID, auth.Revoked{Sessions: []core.AuthSessionID{who.Session}}))
	require.Equal(t, protocol.CloseRevoked, phone.ends())
	tablet.beats(1)
	require.Equal(t, []core.AuthSessionID{who.Session}, r.tokens.denied)

	gone := r.connect(core.Mitra)
	r.Event(event(t, 2, core.AuthRevoked, gone.who.ID,
		auth.Revoked{Sessions: []core.AuthSessionID{gone.who.Session}, Reason: auth.Deactivated}))
	require.Equal(t, protocol.CloseInactive, gone.ends())
}

// The event of a sign-out came while the handshake was under way, when there was no socket to close yet.
func TestRevokedWhileConnecting(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	who := principal(core.Customer)
	r.tokens.Deny(auth.Revoked{Sessions: []core.AuthSessionID{who.Session}})
	require.Equal(t, protocol.CloseRevoked, r.dial(r.tokens.issue(who)).ends())
}

// What no event told is learnt from the store, within the time that auth looks there.
func TestSignedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	phone := r.connect(core.Customer)
	r.SignedOut(phone.who.ID, auth.Revoked{Sessions: []core.AuthSessionID{phone.who.Session}})
	require.Equal(t, protocol.CloseRevoked, phone.ends())
}

func TestDeactivated(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	byEvent, byHeartbeat := r.connect(core.Mitra), r.connect(core.Mitra)
	r.Event(event(t, 1, core.PresenceChanged, byEvent.who.ID, presence.Change{Mode: presence.Offline, Reason: presence.Deactivated}))
	var m protocol.PresenceUpdate
	byEvent.expect(&m, 0)
	require.Equal(t, protocol.PresenceDeactivated, m.Reason)
	require.Equal(t, protocol.CloseInactive, byEvent.ends())
	r.Deactivated([]core.MitraID{byHeartbeat.who.Mitra()})
	require.Equal(t, protocol.CloseInactive, byHeartbeat.ends())
}

func TestDeactivatedAtConnect(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]func(core.MitraID) (presence.Mitra, error){
		"inactive": func(id core.MitraID) (presence.Mitra, error) { return presence.Mitra{ID: id, ConnectionEpoch: 1}, nil },
		"deleted": func(core.MitraID) (presence.Mitra, error) {
			return presence.Mitra{}, core.Errorf(core.NotFound, "there is none")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, gateway.Config{}, func(w *world) { w.onConnect = row })
			p := r.dial(r.tokens.issue(principal(core.Mitra)))
			p.fails(0, protocol.CodeAccountInactive)
			require.Equal(t, protocol.CloseInactive, p.ends())
		})
	}
}

func TestReplaced(t *testing.T) {
	t.Parallel()
	t.Run("OK a newer socket here; the late close of the old one tells its own epoch", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, gateway.Config{}, nil)
		who := principal(core.Mitra)
		old := r.connectAs(who)
		newer := r.connectAs(who)
		require.Equal(t, protocol.CloseReplaced, old.ends())
		require.Equal(t, dropped{who.Mitra(), 1, presence.Suspect}, r.world.drop(t))
		newer.beats(1)
		require.EqualValues(t, 1, r.Stats().Connections)
	})
	t.Run("OK a newer socket elsewhere", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, gateway.Config{}, nil)
		p := r.connect(core.Mitra)
		r.Event(event(t, 1, core.MitraReplaced, p.who.ID, presence.Replaced{Epoch: 1})) // its own
		p.beats(1)
		r.Event(event(t, 2, core.MitraReplaced, p.who.ID, presence.Replaced{Epoch: 2}))
		require.Equal(t, protocol.CloseReplaced, p.ends())
	})
	t.Run("OK the event comes before the epoch that it replaces", func(t *testing.T) {
		t.Parallel()
		connecting := newGate()
		r := newRig(t, gateway.Config{}, func(w *world) {
			w.onConnect = func(id core.MitraID) (presence.Mitra, error) {
				connecting.pass(context.Background())
				return w.row(id), nil
			}
		})
		beaten, winner := principal(core.Mitra), principal(core.Mitra)
		b, w := r.dial(r.tokens.issue(beaten)), r.dial(r.tokens.issue(winner))
		connecting.await(t)
		connecting.await(t)
		r.Event(event(t, 1, core.MitraReplaced, beaten.ID, presence.Replaced{Epoch: 1000})) // higher than it will get
		r.Event(event(t, 2, core.MitraReplaced, winner.ID, presence.Replaced{Epoch: 1}))    // not higher
		connecting.release()
		w.welcome()
		w.beats(1)
		require.Equal(t, protocol.CloseReplaced, b.ends())
	})
	t.Run("OK customers keep several", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, gateway.Config{}, nil)
		who := principal(core.Customer)
		one, two := r.connectAs(who), r.connectAs(who)
		one.beats(1)
		two.beats(1)
	})
}

func TestDrops(t *testing.T) {
	t.Parallel()
	cfg := gateway.Config{}
	cfg.Socket.IdleTimeout = 300 * time.Millisecond
	r := newRig(t, cfg, nil)

	p := r.connect(core.Mitra)
	p.hangUp(ws.StatusNormalClosure)
	require.Equal(t, presence.Clean, r.world.drop(t).how)
	p = r.connect(core.Mitra)
	p.hangUp(ws.StatusGoingAway)
	require.Equal(t, presence.Clean, r.world.drop(t).how)
	p = r.connect(core.Mitra)
	require.NoError(t, p.conn.Close())
	require.Equal(t, presence.Suspect, r.world.drop(t).how)
	p = r.connect(core.Mitra)
	require.Equal(t, protocol.CloseIdle, p.ends())
	require.Equal(t, dropped{p.who.Mitra(), 4, presence.Stale}, r.world.drop(t))
	require.Empty(t, r.world.modes, "neither coming nor going changes the mode")
}

func TestClosedWhileConnecting(t *testing.T) {
	t.Parallel()
	connecting := newGate()
	r := newRig(t, gateway.Config{}, func(w *world) {
		w.onConnect = func(id core.MitraID) (presence.Mitra, error) {
			connecting.pass(context.Background())
			return w.row(id), nil
		}
	})
	p := r.dial(r.tokens.issue(principal(core.Mitra)))
	connecting.await(t)
	p.hangUp(ws.StatusNormalClosure)
	require.Eventually(t, func() bool { return r.Stats().Connections == 0 }, patience, time.Millisecond)
	require.Empty(t, r.world.drops, "there is no epoch to tell of yet")
	connecting.release()
	drop := r.world.drop(t)
	require.EqualValues(t, 1, drop.epoch)
	require.Equal(t, presence.Clean, drop.how)
}

func TestPostgresOut(t *testing.T) {
	t.Parallel()
	var out atomic.Bool
	out.Store(true)
	unavailable := core.Errorf(core.Unavailable, "the database is out")
	epochs := make(chan int64, 8)
	r := newRig(t, gateway.Config{EpochRetry: 20 * time.Millisecond}, func(w *world) {
		w.onConnect = func(id core.MitraID) (presence.Mitra, error) {
			if out.Load() {
				return presence.Mitra{}, unavailable
			}
			return w.row(id), nil
		}
		w.onSetMode = func(id core.MitraID, mode presence.Mode, epoch int64) (presence.Mitra, error) {
			epochs <- epoch
			return presence.Mitra{ID: id, Mode: mode}, nil
		}
	})
	who := principal(core.Mitra)
	connect := func() *peer {
		p := r.dial(r.tokens.issue(who))
		require.Nil(t, p.welcome().State)
		return p
	}
	old, newer := connect(), connect()
	var others []*peer
	for range 5 {
		p := r.dial(r.tokens.issue(principal(core.Mitra)))
		require.Nil(t, p.welcome().State)
		others = append(others, p)
	}
	old.beats(1) // nobody is replaced while it is out
	newer.send(&protocol.PresenceSet{Mode: protocol.ModeOnline}, 2)
	newer.fails(2, protocol.CodeUnavailable)
	require.EqualValues(t, 7, r.Stats().Epochless)
	require.EqualValues(t, 7, r.Stats().Stateless)

	out.Store(false)
	require.Equal(t, protocol.CloseReplaced, old.ends(), "the newer one took its epoch")
	require.Eventually(t, func() bool { return r.Stats().Epochless == 0 }, patience, time.Millisecond)
	newer.send(&protocol.PresenceSet{Mode: protocol.ModeOnline}, 3)
	newer.expect(new(protocol.Ack), 3)
	require.Positive(t, <-epochs)
	newer.send(&protocol.StateGet{}, 4)
	var ack protocol.Ack
	newer.expect(&ack, 4)
	require.NotNil(t, ack.State.Mitra)
	for _, p := range others {
		p.beats(5)
	}
}

func TestClosedWhileConnectingFails(t *testing.T) {
	t.Parallel()
	connecting := newGate()
	r := newRig(t, gateway.Config{}, func(w *world) {
		w.onConnect = func(core.MitraID) (presence.Mitra, error) {
			connecting.pass(context.Background())
			return presence.Mitra{}, core.Errorf(core.Unavailable, "the database is out")
		}
	})
	p := r.dial(r.tokens.issue(principal(core.Mitra)))
	connecting.await(t)
	p.hangUp(ws.StatusNormalClosure)
	require.Eventually(t, func() bool { return r.Stats().Connections == 0 }, patience, time.Millisecond)
	connecting.release()
	r.idle()
	require.Zero(t, r.Stats().Epochless, "nobody is left to retry for")
	require.Empty(t, r.world.drops)
}

func TestEpochTakenByTheFirstRequest(t *testing.T) {
	t.Parallel()
	var out atomic.Bool
	out.Store(true)
	r := newRig(t, gateway.Config{EpochRetry: time.Hour}, func(w *world) {
		w.onConnect = func(id core.MitraID) (presence.Mitra, error) {
			if out.Load() {
				return presence.Mitra{}, core.Errorf(core.Unavailable, "the database is out")
			}
			return w.row(id), nil
		}
	})
	p := r.connect(core.Mitra)
	out.Store(false)
	p.send(&protocol.OfferAccept{OfferID: protocol.UUID(core.NewID[core.OfferID]())}, 1)
	p.expect(new(protocol.Ack), 1)
	require.Zero(t, r.Stats().Epochless)
}

func TestStateThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, err := range []error{core.Errorf(core.Unavailable, "out"), errors.New("a fault of ours"), context.DeadlineExceeded} {
		r := newRig(t, gateway.Config{}, func(w *world) {
			w.onLive = func(context.Context) ([]chat.Session, error) { return nil, err }
		})
		for _, role := range []core.UserType{core.Customer, core.Mitra} {
			p := r.dial(r.tokens.issue(principal(role)))
			require.Nil(t, p.welcome().State)
			p.beats(1)
		}
		require.EqualValues(t, 2, r.Stats().Stateless)
	}
}

func TestMitraGoneWhilePostgresWasOut(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	r := newRig(t, gateway.Config{EpochRetry: 20 * time.Millisecond}, func(w *world) {
		w.onConnect = func(id core.MitraID) (presence.Mitra, error) {
			switch asked.Add(1) {
			case 1, 2:
				return presence.Mitra{}, core.Errorf(core.Unavailable, "out")
			case 3:
				return presence.Mitra{}, core.Errorf(core.NotFound, "deleted")
			default:
				return presence.Mitra{ID: id, ConnectionEpoch: 9}, nil // not active
			}
		}
	})
	was := r.dial(r.tokens.issue(principal(core.Mitra)))
	require.Nil(t, was.welcome().State)
	was.fails(0, protocol.CodeAccountInactive)
	require.Equal(t, protocol.CloseInactive, was.ends())
	inactive := r.dial(r.tokens.issue(principal(core.Mitra)))
	inactive.fails(0, protocol.CodeAccountInactive)
	require.Equal(t, protocol.CloseInactive, inactive.ends())
}
