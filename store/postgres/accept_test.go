package postgres_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func TestAccept_Refusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, test := range []struct {
		name    string
		prepare func(s chat.Session, m core.MitraID)
		epoch   int64
		want    core.Code
	}{
		{"ErrExpired", func(s chat.Session, _ core.MitraID) {
			w.exec(`update session_offers set expires_at = now() where session_id = $1`, s.ID)
		}, 1, core.OfferExpired},
		{"ErrInactive", func(_ chat.Session, m core.MitraID) {
			w.exec(`update mitras set is_active = false where id = $1`, m)
		}, 1, core.AccountInactive},
		{"ErrFinishing", func(_ chat.Session, m core.MitraID) {
			w.exec(`update mitras set mode = 'finishing' where id = $1`, m)
		}, 1, core.NotOnline},
		{"ErrEpoch", func(chat.Session, core.MitraID) {}, 7, core.NotOnline},
		{"ErrCancelled", func(s chat.Session, _ core.MitraID) {
			_, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
			require.NoError(t, err)
		}, 1, core.OfferCancelled},
		{"ErrAtCapacity", func(_ chat.Session, m core.MitraID) {
			w.set("pairing_max_open_offers", 5)
			w.accepts(w.asks(w.free, m), m)
		}, 1, core.AtCapacity},
		{"ErrDeclined", func(s chat.Session, m core.MitraID) {
			require.NoError(t, w.db.Pairing().Decline(t.Context(), w.offer(s, m), m, ""))
		}, 1, core.OfferExpired},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := w.mitra()
			s := w.asks(w.free, m)
			test.prepare(s, m)
			_, err := w.db.Pairing().Accept(t.Context(), w.offer(s, m), m, test.epoch)
			code(t, err, test.want)
			status, _ := w.session(s.ID)
			require.NotEqual(t, "active", status)
		})
	}
}

func TestAccept_ErrSomebodyElses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	s := w.asks(w.free, m)
	_, err := w.db.Pairing().Accept(t.Context(), w.offer(s, m), w.mitra(), 1)
	code(t, err, core.NotFound)
	_, err = w.db.Pairing().Accept(t.Context(), core.NewID[core.OfferID](), m, 1)
	code(t, err, core.NotFound)
}

func TestAccept_RepeatedByWinner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.mitra(), w.mitra()
	s := w.asks(w.free, a, b)
	won := w.accepts(s, a)
	again, err := w.db.Pairing().Accept(t.Context(), w.offer(s, a), a, 1)
	require.NoError(t, err)
	require.Equal(t, won, again)
	_, err = w.db.Pairing().Accept(t.Context(), w.offer(s, b), b, 1)
	code(t, err, core.OfferTaken)
	require.Len(t, events[chat.Session](w, core.SessionUpdated, s.CustomerID), 2, "the repetition told nobody")
}

// race calls f n times at once, in turns through two instances, and counts the outcomes. UNAVAILABLE is asked again, as apps
// do: on a busy machine a call may not get its turn in two seconds.
func race(n int, one, other *postgres.DB, f func(i int, db *postgres.DB) error) map[core.Code]int {
	var (
		mu       sync.Mutex
		outcomes = map[core.Code]int{}
		start    = make(chan struct{})
		all      sync.WaitGroup
	)
	for i := range n {
		db := one
		if i%2 == 1 {
			db = other
		}
		all.Go(func() {
			<-start
			err := f(i, db)
			for tries := 1; core.CodeOf(err) == core.Unavailable && tries < 10; tries++ {
				err = f(i, db)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[core.CodeOf(err)]++
		})
	}
	close(start)
	all.Wait()
	return outcomes
}

// Fifty mitras, each through both instances and twice: 200 accepts for one session.
func TestAccept_RaceOfTwoHundred(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_wave_size", 50)
	other := w.second()
	mitras := w.mitras(50)
	for range 5 {
		s := w.asks(w.free, mitras...)
		offers := make([]core.OfferID, len(mitras))
		for i, m := range mitras {
			offers[i] = w.offer(s, m)
		}
		outcomes := race(200, w.db, other, func(i int, db *postgres.DB) error {
			i = i / 2 % len(mitras)
			_, err := db.Pairing().Accept(t.Context(), offers[i], mitras[i], 1)
			return err
		})
		require.Equal(t, map[core.Code]int{"": 4, core.OfferTaken: 196}, outcomes, "the winner repeats itself three times")
		require.Equal(t, 1, value[int](w, `select count(*) from session_offers where session_id = $1 and status = 'accepted'`, s.ID))
		require.Equal(t, 49, value[int](w, `select count(*) from session_offers where session_id = $1 and status = 'lost'`, s.ID))
		require.Equal(t, 1, value[int](w, `select count(*) from session_events where session_id = $1 and to_status = 'active'`, s.ID))
		_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
		require.NoError(t, err)
	}
}

// Two sessions, one mitra with room for one, both offers accepted at once.
func TestAccept_RaceForCapacity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	for range 20 {
		m, rest := w.mitra(), w.mitras(2)
		sessions := []chat.Session{w.asks(w.free, m, rest[0]), w.asks(w.free, m, rest[1])}
		offers := []core.OfferID{w.offer(sessions[0], m), w.offer(sessions[1], m)}
		outcomes := race(2, w.db, other, func(i int, db *postgres.DB) error {
			_, err := db.Pairing().Accept(t.Context(), offers[i], m, 1)
			return err
		})
		require.Equal(t, map[core.Code]int{"": 1, core.AtCapacity: 1}, outcomes)
		require.Equal(t, 1, value[int](w, `select count(*) from chat_sessions where mitra_id = $1 and status = 'active'`, m))
		require.Equal(t, 1, value[int](w, `select count(*) from session_offers where mitra_id = $1 and status = 'withdrawn'`, m))
	}
}

// The customer gives up in the moment in which a mitra accepts: either the offer is cancelled, or what was accepted is. A free session
// that the accept begins is not cancelled any more; the credit that was put into a paid one comes back.
func TestAccept_WhileTheCustomerCancels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	for i := range 20 {
		m, pack := w.mitra(), []core.PackageID{w.free, w.paid}[i%2]
		s := w.asks(pack, m)
		w.gives(s.CustomerID, 10_000)
		offer := w.offer(s, m)
		var accepted, cancelled error
		race(2, w.db, other, func(i int, db *postgres.DB) error {
			if i == 0 {
				_, accepted = db.Pairing().Accept(t.Context(), offer, m, 1)
				return accepted
			}
			_, cancelled = db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
			return cancelled
		})
		status, _ := w.session(s.ID)
		if pack == w.free && accepted == nil {
			require.Equal(t, "active", status)
			code(t, cancelled, core.WrongState)
		} else {
			require.Equal(t, "cancelled", status)
			require.NoError(t, cancelled)
		}
		if accepted != nil {
			code(t, accepted, core.OfferCancelled)
		}
		require.EqualValues(t, 10_000, w.credit(s.CustomerID))
		require.Zero(t, value[int](w, `select count(*) from payments where session_id = $1 and status in ('opening', 'open')`, s.ID))
	}
	w.books()
}

// Sessions and mitras crossed in every direction, with ends, cancels and mode switches in between: no mitra over its
// capacity, no session with two winners, and no deadlock.
func TestAccept_Crossfire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_max_open_offers", 5)
	other := w.second()
	mitras := w.mitras(6)
	for range 5 {
		var sessions []chat.Session
		for range 5 {
			sessions = append(sessions, w.asks(w.free, mitras...))
		}
		outcomes := race(40, w.db, other, func(i int, db *postgres.DB) error {
			s, m := sessions[i%5], mitras[i%6]
			var id core.OfferID
			if err := w.sql.QueryRow(t.Context(), `select id from session_offers where session_id = $1 and mitra_id = $2`, s.ID, m).Scan(&id); err != nil {
				return nil // the wave had no place for this one
			}
			switch i % 4 {
			case 0:
				return db.Pairing().Decline(t.Context(), id, m, "")
			case 1:
				_, err := db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
				return err
			default:
				_, err := db.Pairing().Accept(t.Context(), id, m, 1)
				return err
			}
		})
		require.Zero(t, outcomes[core.Unavailable], "%v", outcomes)
		require.Zero(t, outcomes[core.Internal], "%v", outcomes)
		require.Zero(t, value[int](w, `select count(*) from (
			select mitra_id from chat_sessions where status = 'active' group by mitra_id having count(*) > 1) over`))
		w.exec(`update session_offers set status = 'withdrawn', closed_at = now() where status in ('offered', 'delivered')`)
		w.exec(`update chat_sessions set status = 'cancelled', end_reason = 'customer', ended_at = now() where ended_at is null`)
	}
	require.Zero(t, w.db.Stats().Retries+other.Stats().Retries)
}

func TestAccept_ReachingCapacityWithdraws(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, both := w.mitra(), w.mitra()
	first, starving, fed := w.asks(w.free, m), w.asks(w.free, m), w.asks(w.free, both)
	require.Empty(t, starving.EndReason)
	w.exec(`insert into session_offers (id, session_id, mitra_id, wave, expires_at) values ($1, $2, $3, 1, now() + interval '15 seconds')`,
		core.NewID[core.OfferID](), fed.ID, m)

	w.accepts(first, m)

	require.Equal(t, "withdrawn", w.offerStatus(starving, m))
	require.Equal(t, "withdrawn", w.offerStatus(fed, m))
	closed := events[pairing.Closed](w, core.OfferClosed, m)
	require.Len(t, closed, 2)
	require.Equal(t, pairing.ClosedWithdrawn, closed[0].Reason)
	require.True(t, value[bool](w, `select wave_deadline_at <= now() from chat_sessions where id = $1`, starving.ID), "nobody is left in its wave")
	require.False(t, value[bool](w, `select wave_deadline_at <= now() from chat_sessions where id = $1`, fed.ID), "somebody else is")
}

func TestAccept_BelowCapacityKeepsOffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("mitra_max_capacity", 2)
	m := w.mitra()
	first, second := w.asks(w.free, m), w.asks(w.free, m)
	w.accepts(first, m)
	w.accepts(second, m)
	mitras, err := w.db.Presence().Mitras(t.Context(), []core.MitraID{m})
	require.NoError(t, err)
	require.Equal(t, 2, mitras[0].Capacity)
	require.Equal(t, 2, mitras[0].MaxCapacity)
}
