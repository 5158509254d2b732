package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// asksAs is a request of a certain customer's that the mitra accepts.
func (w *world) asksAs(c core.CustomerID, pack core.PackageID) (chat.Session, core.MitraID) {
	w.t.Helper()
	m := w.mitra()
	s, err := w.db.Pairing().Request(w.t.Context(), pairing.Request{CustomerID: c, Key: m.String(), PackageID: pack}, []core.MitraID{m})
	require.NoError(w.t, err)
	return w.accepts(s, m), m
}

func TestCredit_IsSpentFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.customer()
	w.gives(c, 35_000)
	s, m := w.asksAs(c, w.paid)
	require.Equal(t, chat.Active, s.Status, "fully covered: straight to active")
	require.Nil(t, s.Payment)
	require.EqualValues(t, 10_000, w.credit(c))
	w.books()
	_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
	require.NoError(t, err)

	s, _ = w.asksAs(c, w.paid)
	require.Equal(t, chat.PendingPayment, s.Status)
	require.Zero(t, w.credit(c))
	require.EqualValues(t, 15_000, value[int64](w, `select amount from payments where id = $1`, s.Payment.ID), "the rest")
	w.books()
	require.Equal(t, payment.Mismatch, w.pays(s.Payment.ID, 25_000))
	require.Equal(t, payment.Started, w.pays(s.Payment.ID, 15_000))
	w.books()
}

func TestCredit_ComesBackWithASessionThatComesToNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.customer()
	w.gives(c, 10_000)
	s, _ := w.asksAs(c, w.paid)
	require.Zero(t, w.credit(c))
	_, err := w.db.Pairing().Cancel(t.Context(), s.ID, c)
	require.NoError(t, err)
	require.EqualValues(t, 10_000, w.credit(c))
	w.books()
}

func TestCredit_StaysWithASessionThatIsRerouted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.customer()
	w.gives(c, 10_000)
	s, _ := w.asksAs(c, w.paid)
	w.opens(s.Payment.ID)
	s = w.reroutes(s)
	w.gives(c, 3_000)
	m := w.mitra()
	w.wave(s, m)
	got := w.accepts(s, m)
	require.Equal(t, s.Payment.ID, got.Payment.ID)
	require.EqualValues(t, 3_000, w.credit(c), "the invoice is what it was")
	require.Equal(t, payment.Started, w.pays(s.Payment.ID, 15_000))
	w.books()
}

func TestCredit_OfTalkThatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, over := range map[string]func(s chat.Session){
		"cancelled": func(s chat.Session) {
			_, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
			require.NoError(t, err)
		},
		"unmatched": func(s chat.Session) {
			w.exec(`update chat_sessions set search_deadline_at = now() where id = $1`, s.ID)
			require.NoError(t, w.db.Pairing().Unmatch(t.Context(), s.ID))
		},
	} {
		s, _ := w.runs()
		w.exec(`update chat_sessions set started_at = now() - interval '8 minutes', ends_at = now() + interval '100 seconds' where id = $1`, s.ID)
		s = w.reroutes(s)
		left := value[int64](w, `select seconds_left from chat_sessions where id = $1`, s.ID)
		require.InDelta(t, 100, left, 2)
		over(s)
		require.Equal(t, 25_000*left/600, w.credit(s.CustomerID), name)
		status, _ := w.session(s.ID)
		require.Equal(t, name, status)
		w.books()
	}
}

func TestCredit_OfPaidTalkThatNeverBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.owes()
	s = w.reroutes(s)
	require.Equal(t, payment.Kept, w.pays(s.Payment.ID, 25_000))
	_, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)
	require.EqualValues(t, 25_000, w.credit(s.CustomerID))
	w.books()
}

func TestCredit_NoneForAFreeTalkOrOneThatWasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	free, _ := w.starts()
	free = w.reroutes(free)
	_, err := w.db.Pairing().Cancel(t.Context(), free.ID, free.CustomerID)
	require.NoError(t, err)
	require.Zero(t, w.credit(free.CustomerID))
	s, m := w.runs()
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
	require.NoError(t, err)
	require.Zero(t, w.credit(s.CustomerID))
	w.books()
}
