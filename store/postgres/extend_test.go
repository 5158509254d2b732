package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func (w *world) extends(s chat.Session, pack core.PackageID, key string) (chat.Session, error) {
	return w.db.Chat().Extend(w.t.Context(), chat.Extension{SessionID: s.ID, CustomerID: s.CustomerID, PackageID: pack, Key: key})
}

func TestExtend_FreeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.starts()
	got, err := w.extends(s, w.free, "k")
	require.NoError(t, err)
	require.Equal(t, s.EndsAt.Add(10*time.Minute), got.EndsAt)
	require.Equal(t, s.Version+1, got.Version)
	told := events[chat.Session](w, core.SessionUpdated, m)
	require.Equal(t, got.EndsAt, told[len(told)-1].EndsAt)
	again, err := w.extends(s, w.free, "k")
	require.NoError(t, err)
	require.Equal(t, got, again, "a replay")
	_, err = w.extends(s, w.paid, "k")
	code(t, err, core.KeyReused)
	w.books()
}

func TestExtend_WhenItIsPaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.runs()
	asked, err := w.extends(s, w.paid, "k")
	require.NoError(t, err)
	require.Equal(t, "opening", asked.Payment.Status)
	require.NotEqual(t, s.Payment.ID, asked.Payment.ID)
	require.WithinDuration(t, time.Now().Add(5*time.Minute), asked.Payment.ExpiresAt, time.Minute)
	require.Equal(t, s.EndsAt, asked.EndsAt)
	again, err := w.extends(s, w.paid, "k")
	require.NoError(t, err)
	require.Equal(t, asked, again)
	_, err = w.extends(s, w.paid, "another")
	code(t, err, core.ExtensionPending)

	w.opens(asked.Payment.ID)
	require.Equal(t, payment.Extended, w.pays(asked.Payment.ID, 25_000))
	require.Equal(t, payment.Repeated, w.pays(asked.Payment.ID, 25_000))
	got := w.read(s)
	require.Equal(t, s.EndsAt.Add(10*time.Minute), got.EndsAt)
	require.Equal(t, s.Payment.ID, got.Payment.ID, "the session's own again")
	told := events[chat.Session](w, core.SessionUpdated, s.CustomerID)
	require.Equal(t, got, told[len(told)-1])
	w.books()
	_, err = w.extends(s, w.paid, "another")
	require.NoError(t, err, "one after the other")
}

func TestExtend_TwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	for range 5 {
		s, _ := w.runs()
		outcomes := race(10, w.db, other, func(i int, db *postgres.DB) error {
			_, err := db.Chat().Extend(t.Context(), chat.Extension{SessionID: s.ID, CustomerID: s.CustomerID, PackageID: w.paid, Key: fmt.Sprint(i)})
			return err
		})
		require.Equal(t, map[core.Code]int{"": 1, core.ExtensionPending: 9}, outcomes)
	}
	w.books()
}

func TestExtend_Refused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.starts()
	waiting, _ := w.owes()
	gone := s
	gone.CustomerID = w.customer()
	_, err := w.extends(gone, w.free, "k")
	code(t, err, core.NotFound)
	_, err = w.extends(s, core.NewID[core.PackageID](), "k")
	code(t, err, core.PackageUnavailable)
	_, err = w.extends(waiting, w.free, "k")
	code(t, err, core.WrongState)
	_, err = w.extends(w.reroutes(s), w.free, "k2")
	code(t, err, core.WrongState)
}

// What is paid in the last second counts, or is credited: never lost.
func TestExtend_PaidWhileItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	for range 20 {
		s, _ := w.runs()
		asked, err := w.extends(s, w.paid, "k")
		require.NoError(t, err)
		w.exec(`update chat_sessions set started_at = now() - interval '1 hour', ends_at = now() where id = $1`, s.ID)
		outcomes := race(2, w.db, other, func(i int, db *postgres.DB) error {
			if i == 0 {
				return db.Chat().Expire(t.Context(), s.ID)
			}
			_, err := db.Payments().Settle(t.Context(), receipt(asked.Payment.ID, 25_000))
			return err
		})
		require.Equal(t, map[core.Code]int{"": 2}, outcomes)
		status, _ := w.session(s.ID)
		require.Equal(t, map[string]int64{"active": 0, "ended": 25_000}[status], w.credit(s.CustomerID), status)
		if status == "ended" {
			require.Equal(t, "expired", value[string](w, `select status from session_extensions where session_id = $1`, s.ID))
		}
		w.books()
	}
}

func TestExtend_PaidAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.runs()
	asked, err := w.extends(s, w.paid, "k")
	require.NoError(t, err)
	w.opens(asked.Payment.ID)
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
	require.NoError(t, err)
	require.Equal(t, "cancelled", w.paymentStatus(asked.Payment.ID))
	require.Equal(t, payment.Credited, w.pays(asked.Payment.ID, 25_000))
	require.EqualValues(t, 25_000, w.credit(s.CustomerID))
	w.books()
}

func TestExtend_ItsDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.runs()
	asked, err := w.extends(s, w.paid, "k")
	require.NoError(t, err)
	w.opens(asked.Payment.ID)
	outcome, err := w.db.Payments().Lapse(t.Context(), asked.Payment.ID, "", payment.Expired, "")
	require.NoError(t, err)
	require.Equal(t, payment.Closed, outcome)
	got := w.read(s)
	require.Equal(t, s.Payment.ID, got.Payment.ID)
	require.NotNil(t, value[*string](w, `select work_at::text from payments where id = $1`, asked.Payment.ID), "the vendor's is to be cancelled")
	require.Equal(t, payment.Credited, w.pays(asked.Payment.ID, 25_000))
	_, err = w.extends(s, w.paid, "another")
	require.NoError(t, err)
	w.books()
}

func TestExtend_PaidWhileSearching(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.runs()
	asked, err := w.extends(s, w.paid, "k")
	require.NoError(t, err)
	w.reroutes(s)
	require.Equal(t, payment.Extended, w.pays(asked.Payment.ID, 25_000))
	require.InDelta(t, 1200, value[int](w, `select seconds_left from chat_sessions where id = $1`, s.ID), 5)
	m := w.mitra()
	w.wave(s, m)
	offer := value[core.OfferID](w, `select id from session_offers where mitra_id = $1`, m)
	got, err := w.db.Pairing().Accept(t.Context(), offer, m, 1)
	require.NoError(t, err)
	require.InDelta(t, 1200, got.EndsAt.Sub(got.StartedAt).Seconds(), 5)
	w.books()
}

func TestWarnEnding_AgainAfterAnExtension(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.starts()
	before := func() float64 {
		return value[float64](w, `select extract(epoch from ends_at - warn_at) from chat_sessions where id = $1`, s.ID)
	}
	require.InDelta(t, 60, before(), 1e-6, "a minute before the end")
	for range 2 {
		w.exec(`update chat_sessions set warn_at = now() where id = $1`, s.ID)
		due, _ := w.due(1)
		require.Equal(t, []chat.Due{{ID: s.ID, Status: chat.Active, Warn: true}}, due)
		require.NoError(t, w.db.Chat().WarnEnding(t.Context(), s.ID))
		require.True(t, w.read(s).EndingSoon)
		got, err := w.extends(s, w.free, fmt.Sprint(w.read(s).Version))
		require.NoError(t, err)
		require.False(t, got.EndingSoon)
		require.InDelta(t, 60, before(), 1e-6)
	}
	warned := 0
	for _, told := range events[chat.Session](w, core.SessionUpdated, m) {
		if told.EndingSoon {
			warned++
		}
	}
	require.Equal(t, 2, warned)
}
