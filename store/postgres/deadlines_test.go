package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func (w *world) due(limit int) ([]chat.Due, time.Duration) {
	w.t.Helper()
	due, wait, err := w.db.Chat().Due(w.t.Context(), limit)
	require.NoError(w.t, err)
	return due, wait
}

func TestDue_EarliestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	due, wait := w.due(10)
	require.Empty(t, due)
	require.Zero(t, wait, "nothing is planned")

	active, _ := w.starts()
	m := w.mitra()
	pending := w.accepts(w.asks(w.paid, m), m)
	searching, waiting := w.asks(w.free, w.mitra()), w.asks(w.free)
	due, wait = w.due(10)
	require.Empty(t, due)
	require.InDelta(t, 15, wait.Seconds(), 5, "the wave's end comes first")

	w.exec(`update chat_sessions set wave_deadline_at = now() - interval '4 seconds' where id = $1`, searching.ID)
	w.exec(`update chat_sessions set search_deadline_at = now() - interval '3 seconds' where id = $1`, waiting.ID)
	w.exec(`update chat_sessions set payment_deadline_at = now() - interval '2 seconds' where id = $1`, pending.ID)
	w.exec(`update chat_sessions set warn_at = now() - interval '1 second' where id = $1`, active.ID)
	due, wait = w.due(10)
	require.Equal(t, []chat.Due{
		{ID: searching.ID, Status: chat.Searching},
		{ID: waiting.ID, Status: chat.Searching},
		{ID: pending.ID, Status: chat.PendingPayment},
		{ID: active.ID, Status: chat.Active, Warn: true},
	}, due)
	require.Zero(t, wait)
	due, wait = w.due(2)
	require.Len(t, due, 2)
	require.Zero(t, wait, "more are due")
}

func TestExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	s, m := w.starts()
	require.NoError(t, w.db.Chat().Expire(t.Context(), s.ID))
	status, _ := w.session(s.ID)
	require.Equal(t, "active", status, "not yet")

	w.exec(`update chat_sessions set started_at = now() - interval '10 minutes', ends_at = now(), warn_at = now() - interval '1 minute' where id = $1`, s.ID)
	due, _ := w.due(1)
	require.Equal(t, []chat.Due{{ID: s.ID, Status: chat.Active}}, due)
	outcomes := race(10, w.db, other, func(_ int, db *postgres.DB) error { return db.Chat().Expire(t.Context(), s.ID) })
	require.Equal(t, map[core.Code]int{"": 10}, outcomes)
	status, reason := w.session(s.ID)
	require.Equal(t, "ended", status)
	require.Equal(t, "expired", reason)
	require.Len(t, events[chat.Session](w, core.SessionUpdated, m), 2, "fired once")
	require.True(t, value[bool](w, `select available_since > $2 from mitras where id = $1`, m, s.StartedAt), "the mitra is free again")
	require.Contains(t, w.history(s.ID), "ended:system:expired")
}

func TestWarnEnding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.starts()
	require.NoError(t, w.db.Chat().WarnEnding(t.Context(), s.ID))
	require.Len(t, events[chat.Session](w, core.SessionUpdated, m), 1, "not yet")
	w.exec(`update chat_sessions set warn_at = now() where id = $1`, s.ID)
	require.NoError(t, w.db.Chat().WarnEnding(t.Context(), s.ID))
	require.NoError(t, w.db.Chat().WarnEnding(t.Context(), s.ID))
	told := events[chat.Session](w, core.SessionUpdated, m)
	require.Len(t, told, 2)
	require.True(t, told[1].EndingSoon)
	require.EqualValues(t, 3, told[1].Version)
	due, wait := w.due(1)
	require.Empty(t, due)
	require.InDelta(t, 600, wait.Seconds(), 10, "its end is next")
}

func TestPaymentTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	s := w.accepts(w.asks(w.paid, m), m)
	require.NoError(t, w.db.Chat().PaymentTimeout(t.Context(), s.ID))
	status, _ := w.session(s.ID)
	require.Equal(t, "pending_payment", status)
	w.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, s.ID)
	require.NoError(t, w.db.Chat().PaymentTimeout(t.Context(), s.ID))
	status, reason := w.session(s.ID)
	require.Equal(t, "cancelled", status)
	require.Equal(t, "payment_timeout", reason)
	require.Equal(t, "expired", value[string](w, `select status from payments where session_id = $1`, s.ID))
	mitras, err := w.db.Presence().Mitras(t.Context(), []core.MitraID{m})
	require.NoError(t, err)
	require.Zero(t, mitras[0].Capacity)
}

func TestEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.starts()
	_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, w.customer()), "")
	code(t, err, core.NotFound)
	_, err = w.db.Chat().End(t.Context(), core.NewID[core.SessionID](), as(core.Mitra, m), "")
	code(t, err, core.NotFound)

	ended, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
	require.NoError(t, err)
	again, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
	require.NoError(t, err)
	require.Equal(t, ended, again)
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
	code(t, err, core.WrongState)
}

func TestEnd_OnceOfBothSides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	for range 10 {
		s, m := w.starts()
		outcomes := race(2, w.db, other, func(i int, db *postgres.DB) error {
			by := as(core.Customer, s.CustomerID)
			if i == 1 {
				by = as(core.Mitra, m)
			}
			_, err := db.Chat().End(t.Context(), s.ID, by, "")
			return err
		})
		require.Equal(t, map[core.Code]int{"": 1, core.WrongState: 1}, outcomes)
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("mitra_max_capacity", 2)
	first, m := w.starts()
	second := w.accepts(w.asks(w.paid, m), m)
	searching := w.asks(w.free)

	got, err := w.db.Chat().Live(t.Context(), as(core.Mitra, m))
	require.NoError(t, err)
	require.Equal(t, []chat.Session{first, second}, got)
	got, err = w.db.Chat().Live(t.Context(), as(core.Customer, searching.CustomerID))
	require.NoError(t, err)
	require.Equal(t, []chat.Session{searching}, got)
	got, err = w.db.Chat().Live(t.Context(), as(core.Customer, w.customer()))
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestPackages_CheapestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`delete from session_packages`)
	require.NoError(t, w.db.Seed().Packages(t.Context()))
	require.NoError(t, w.db.Seed().Packages(t.Context()), "any number of times")
	packages, err := w.db.Chat().Packages(t.Context())
	require.NoError(t, err)
	require.Len(t, packages, 4)
	require.Zero(t, packages[0].Price)
	require.Equal(t, 5, packages[0].Minutes)
	require.EqualValues(t, 80_000, packages[3].Price)
}
