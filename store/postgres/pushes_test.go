package postgres_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// device registers one and gives its token.
func device[U ~[16]byte](w *world, kind core.UserType, user U) string {
	w.t.Helper()
	token := core.NewID[core.ConnID]().String()
	require.NoError(w.t, w.db.Devices().SaveDevice(w.t.Context(), push.Device{
		UserType: kind, UserID: core.UserID(user), Token: token, Platform: push.Android,
	}))
	return token
}

// offered is a session offered to a mitra with a device, whose push is due.
func (w *world) offered() (mitra core.MitraID, offer core.OfferID) {
	w.t.Helper()
	mitra = w.mitra()
	device(w, core.Mitra, mitra)
	offer = w.offer(w.asks(w.free, mitra), mitra)
	w.exec(`update session_offers set push_due_at = now() where id = $1`, offer)
	return mitra, offer
}

func (w *world) takeOffers() (taken int) {
	w.t.Helper()
	taken, _, err := w.db.Pushes().TakeOffers(w.t.Context(), 100)
	require.NoError(w.t, err)
	return taken
}

func (w *world) claim() []push.Push {
	w.t.Helper()
	claimed, err := w.db.Pushes().Claim(w.t.Context(), 100, time.Minute)
	require.NoError(w.t, err)
	return claimed
}

func TestTakeOffers_TwoSecondsAfterTheOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mitra := w.mitra()
	phone, tablet := device(w, core.Mitra, mitra), device(w, core.Mitra, mitra)
	s := w.asks(w.free, mitra)
	offer := w.offer(s, mitra)
	require.InDelta(t, 2, value[float64](w, `select extract(epoch from push_due_at - created_at)::float8 from session_offers where id = $1`, offer), 0.9)
	taken, wait, err := w.db.Pushes().TakeOffers(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, taken, "not yet")
	require.Greater(t, wait, time.Duration(0))
	require.LessOrEqual(t, wait, 2*time.Second)

	w.exec(`update session_offers set push_due_at = now()`)
	require.Equal(t, 1, w.takeOffers())
	require.Zero(t, w.takeOffers(), "once")
	claimed := w.claim()
	require.Len(t, claimed, 2, "to each device")
	for _, p := range claimed {
		require.Contains(t, []string{phone, tablet}, p.Token)
		require.Equal(t, push.Offer, p.Kind)
		require.Equal(t, offer, p.OfferID)
		require.Equal(t, core.UserID(mitra), p.UserID)
		require.Equal(t, push.Android, p.Platform)
		require.Equal(t, 1, p.Attempt)
		require.InDelta(t, 15, p.Left.Seconds(), 3, "what is left of the offer")
		require.Equal(t, value[time.Time](w, `select expires_at from session_offers where id = $1`, offer).UTC(), p.ExpiresAt)
	}
	require.Empty(t, w.claim())
}

func TestTakeOffers_OnlyWhatIsOpenAndUnconfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	received, one := w.offered()
	require.NoError(t, w.db.Pairing().Received(t.Context(), one, received))
	declined, two := w.offered()
	require.NoError(t, w.db.Pairing().Decline(t.Context(), two, declined, ""))
	accepted, three := w.offered()
	_, err := w.db.Pairing().Accept(t.Context(), three, accepted, 1)
	require.NoError(t, err)
	_, four := w.offered()
	w.exec(`update session_offers set expires_at = now() - interval '1 second' where id = $1`, four)
	silent := w.mitra() // without a device
	w.asks(w.free, silent)
	w.exec(`update session_offers set push_due_at = now() where mitra_id = $1`, silent)

	require.Equal(t, 2, w.takeOffers(), "the late one and the silent one")
	require.Zero(t, value[int](w, `select count(*) from pushes where kind = 'offer'`))
}

// Ten at once on two instances: each offer is taken once, each push is claimed once.
func TestPushes_ParallelInstancesShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_wave_size", 40)
	mitras := w.mitras(40)
	for _, m := range mitras {
		device(w, core.Mitra, m)
	}
	w.asks(w.free, mitras...)
	w.exec(`update session_offers set push_due_at = now()`)

	var mu sync.Mutex
	taken, claimed := 0, map[int64]int{}
	race(10, w.db, w.second(), func(_ int, db *postgres.DB) error {
		for range 8 {
			n, _, err := db.Pushes().TakeOffers(t.Context(), 3)
			if err != nil {
				return err
			}
			mine, err := db.Pushes().Claim(t.Context(), 3, time.Minute)
			if err != nil {
				return err
			}
			mu.Lock()
			taken += n
			for _, p := range mine {
				claimed[p.ID]++
			}
			mu.Unlock()
		}
		return nil
	})
	taken += w.takeOffers()
	for _, p := range w.claim() {
		claimed[p.ID]++
	}
	require.Equal(t, 40, taken)
	require.Len(t, claimed, 40)
	for id, times := range claimed {
		require.Equal(t, 1, times, id)
	}
}

// Who claimed it was never heard of again: when the claim is over, it is somebody else's.
func TestClaim_IsTakenOverWhenItRunsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.offered()
	w.takeOffers()
	first := w.claim()
	require.Len(t, first, 1)
	other := w.second()
	claimed, err := other.Pushes().Claim(t.Context(), 10, time.Minute)
	require.NoError(t, err)
	require.Empty(t, claimed)
	require.InDelta(t, 60, value[float64](w, `select extract(epoch from due_at - now())::float8 from pushes`), 5)

	w.exec(`update pushes set due_at = now()`)
	claimed, err = other.Pushes().Claim(t.Context(), 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.Equal(t, first[0].ID, claimed[0].ID)
	require.Equal(t, 2, claimed[0].Attempt)
}

func TestClaim_DropsWhatNobodyWants(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, mitra core.MitraID, offer core.OfferID){
		"confirmed since": func(w *world, mitra core.MitraID, offer core.OfferID) {
			require.NoError(w.t, w.db.Pairing().Received(w.t.Context(), offer, mitra))
		},
		"closed since": func(w *world, mitra core.MitraID, offer core.OfferID) {
			require.NoError(w.t, w.db.Pairing().Decline(w.t.Context(), offer, mitra, ""))
		},
		"too late": func(w *world, _ core.MitraID, _ core.OfferID) {
			w.exec(`update pushes set expires_at = now()`)
		},
		"the device is gone": func(w *world, _ core.MitraID, _ core.OfferID) {
			w.exec(`delete from device_tokens`)
		},
		"signed out since, the device slipped through": func(w *world, mitra core.MitraID, _ core.OfferID) {
			w.exec(`insert into auth_sessions (id, user_type, user_id, salt, refresh_hash, expires_at, revoked_at, revoke_reason)
				values ($1, 'mitra', $1, '', '', now() + interval '1 day', now(), 'logout')`, mitra)
			w.exec(`update device_tokens set auth_session_id = user_id`)
		},
		"the device is somebody else's": func(w *world, _ core.MitraID, _ core.OfferID) {
			w.exec(`update device_tokens set user_id = gen_random_uuid()`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			mitra, offer := w.offered()
			w.takeOffers()
			require.Equal(t, 1, value[int](w, `select count(*) from pushes`))
			spoil(w, mitra, offer)
			require.Empty(t, w.claim())
			require.Zero(t, value[int](w, `select count(*) from pushes`))
		})
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer()
	sent, later, dead := device(w, core.Customer, customer), device(w, core.Customer, customer), device(w, core.Customer, customer)
	for range 2 {
		w.exec(`insert into pushes (kind, user_id, token, session_id, expires_at)
			select 'session_ended', user_id, token, gen_random_uuid(), now() + interval '1 hour' from device_tokens`)
	}
	var outcome push.Outcome
	claimed := w.claim()
	require.Len(t, claimed, 6)
	for _, p := range claimed[:3] {
		switch p.Token {
		case sent:
			outcome.Done = append(outcome.Done, p.ID)
		case later:
			outcome.Later = append(outcome.Later, push.Later{ID: p.ID, After: 90 * time.Second})
		case dead:
			outcome.Done, outcome.Dead = append(outcome.Done, p.ID), append(outcome.Dead, p.Token)
		}
	}
	for range 2 {
		require.NoError(t, w.db.Pushes().Settle(t.Context(), outcome), "any number of times")
		require.Equal(t, 4, value[int](w, `select count(*) from pushes`))
		require.InDelta(t, 90, value[float64](w, `select extract(epoch from due_at - now())::float8 from pushes where id = $1`, outcome.Later[0].ID), 5)
		require.Equal(t, 2, value[int](w, `select count(*) from device_tokens`))
	}
	w.exec(`update pushes set due_at = now()`)
	again := w.claim()
	require.Len(t, again, 3, "what waited for the dead token is dropped")
	require.NoError(t, w.db.Pushes().Settle(t.Context(), push.Outcome{Done: []int64{again[0].ID}}))
}

// told are the pushes that are queued: kind and token.
func (w *world) told() (all []string) {
	w.t.Helper()
	for _, p := range w.claim() {
		require.False(w.t, p.SessionID.IsZero() && p.Kind != push.SetOffline && p.Kind != push.Offer)
		all = append(all, string(p.Kind)+" "+p.Token)
	}
	slices.Sort(all)
	w.exec(`delete from pushes`)
	return all
}

func both(kind push.Kind, tokens ...string) (all []string) {
	for _, token := range tokens {
		all = append(all, string(kind)+" "+token)
	}
	slices.Sort(all)
	return all
}

func TestPushes_OfASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mitra := w.mitra()
	theirs := device(w, core.Mitra, mitra)

	s := w.asks(w.free, mitra)
	mine := device(w, core.Customer, s.CustomerID)
	require.Empty(t, w.told())
	s = w.accepts(s, mitra)
	require.Equal(t, s.EndsAt, value[time.Time](w, `select min(expires_at) from pushes`).UTC(), "as long as the session lasts")
	require.Equal(t, both(push.SessionStarted, mine, theirs), w.told())
	w.exec(`update chat_sessions set warn_at = now()`)
	require.NoError(t, w.db.Chat().WarnEnding(t.Context(), s.ID))
	require.Empty(t, w.told(), "who talks needs no push")
	_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
	require.NoError(t, err)
	require.InDelta(t, push.Life.Seconds(), value[float64](w, `select extract(epoch from min(expires_at) - now())::float8 from pushes`), 60)
	require.Equal(t, both(push.SessionEnded, mine, theirs), w.told())

	s = w.asks(w.paid, mitra)
	mine = device(w, core.Customer, s.CustomerID)
	w.accepts(s, mitra)
	require.Equal(t, both(push.PaymentDue, mine), w.told(), "money is not the mitra's business")
	w.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, s.ID)
	require.NoError(t, w.db.Chat().PaymentTimeout(t.Context(), s.ID))
	require.Equal(t, both(push.SessionEnded, mine, theirs), w.told())

	s = w.asks(w.free)
	mine = device(w, core.Customer, s.CustomerID)
	w.exec(`update chat_sessions set search_deadline_at = now() where id = $1`, s.ID)
	require.NoError(t, w.db.Pairing().Unmatch(t.Context(), s.ID))
	require.Equal(t, both(push.SearchEnded, mine), w.told())

	s = w.asks(w.free, mitra)
	device(w, core.Customer, s.CustomerID)
	_, err = w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)
	require.Empty(t, w.told(), "who gives up a search knows that")

	s = w.asks(w.free, mitra)
	mine = device(w, core.Customer, s.CustomerID)
	_, err = w.db.Admin().EndSession(t.Context(), w.operator(core.Attendant), s.ID, "")
	require.NoError(t, err)
	require.Equal(t, both(push.SessionEnded, mine), w.told(), "but not whose search an operator ends")
}

func TestPushes_OfAMitraSetOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost, own, busy := w.mitra(), w.mitra(), w.mitra()
	tokenOfLost := device(w, core.Mitra, lost)
	device(w, core.Mitra, own)
	tokenOfBusy := device(w, core.Mitra, busy)
	silent := w.mitra()

	_, err := w.db.Presence().SetMode(t.Context(), own, presence.Offline, 1)
	require.NoError(t, err)
	require.Empty(t, w.told(), "by itself")

	w.exec(`update mitras set last_heartbeat_at = now() - interval '1 hour' where id = any($1)`, []core.MitraID{lost, silent})
	taken, err := w.db.Presence().TakeOffline(t.Context(), []core.MitraID{lost, silent}, time.Minute)
	require.NoError(t, err)
	require.Len(t, taken, 2)
	require.Equal(t, both(push.SetOffline, tokenOfLost), w.told())

	w.set("pairing_ignored_offers_before_offline", 1)
	s := w.asks(w.free, busy)
	require.NoError(t, w.db.Pairing().Received(t.Context(), w.offer(s, busy), busy))
	w.exec(`update session_offers set expires_at = now() where session_id = $1`, s.ID)
	_, err = w.db.Pairing().ExpireOffers(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, "offline", w.mode(busy))
	require.Equal(t, both(push.SetOffline, tokenOfBusy), w.told())
}

// Pushes ride on the statement that writes the events.
func TestPushes_CostNoStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := func() int {
		m := w.mitra()
		s := w.asks(w.free, m)
		w.log.take()
		w.accepts(s, m)
		_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
		require.NoError(t, err)
		return len(w.log.take())
	}
	require.LessOrEqual(t, count(), 12)
	require.Zero(t, value[int](w, `select count(*) from pushes`), "nobody has a device, nothing is queued")
}

func TestPushes_OfAReroute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	former, next := w.mitra(), w.mitra()
	oldOne, newOne := device(w, core.Mitra, former), device(w, core.Mitra, next)
	s := w.asks(w.free, former)
	s = w.accepts(s, former)
	mine := device(w, core.Customer, s.CustomerID)
	w.told()
	s = w.reroutes(s)
	require.Equal(t, both(push.SessionEnded, oldOne), w.told(), "the customer's goes on")
	w.wave(s, next)
	w.accepts(s, next)
	require.Equal(t, both(push.SessionStarted, mine, newOne), w.told())
}
