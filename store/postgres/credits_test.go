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
	s, _ := w.asksAs(c, w.paid)
	require.Equal(t, chat.Active, s.Status, "fully covered: straight to active")
	require.Nil(t, s.Payment)
	require.EqualValues(t, 10_000, w.credit(c))
	w.books()
	_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, c), "")
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

func TestCredit_NoneForAFreeTalk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	free, _ := w.starts()
	free = w.reroutes(free)
	_, err := w.db.Pairing().Cancel(t.Context(), free.ID, free.CustomerID)
	require.NoError(t, err)
	require.Zero(t, w.credit(free.CustomerID))
	free, m := w.starts()
	_, err = w.db.Chat().End(t.Context(), free.ID, as(core.Mitra, m), "")
	require.NoError(t, err)
	require.Zero(t, w.credit(free.CustomerID))
	w.books()
}

// Whoever ends a talk that runs: its customer pays for what was given, and for all of it who leaves it.
func TestCredit_OfTalkThatIsBrokenOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		credited bool
		over     func(s chat.Session, m core.MitraID) error
	}{
		"by its customer": {false, func(s chat.Session, _ core.MitraID) error {
			_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
			return err
		}},
		"by the customer's deletion": {false, func(s chat.Session, _ core.MitraID) error {
			_, err := w.db.Accounts().Delete(t.Context(), s.CustomerID)
			return err
		}},
		"by its mitra": {true, func(s chat.Session, m core.MitraID) error {
			_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
			return err
		}},
		"by an operator": {true, func(s chat.Session, _ core.MitraID) error {
			_, err := w.db.Admin().EndSession(t.Context(), core.OperatorID{}, s.ID, "")
			return err
		}},
		"by the mitra's deactivation": {true, func(_ chat.Session, m core.MitraID) error {
			_, err := w.db.Admin().Deactivate(t.Context(), core.OperatorID{}, m)
			return err
		}},
	} {
		s, m := w.runs()
		asked, err := w.extends(s, w.sells(40_000), "k")
		require.NoError(t, err)
		require.Equal(t, payment.Extended, w.pays(asked.Payment.ID, 40_000))
		pending, err := w.extends(s, w.paid, "k2")
		require.NoError(t, err)
		w.exec(`update chat_sessions set started_at = now() - interval '5 minutes', ends_at = now() + interval '900 seconds' where id = $1`, s.ID)
		require.NoError(t, c.over(s, m), name)
		status, _ := w.session(s.ID)
		require.Equal(t, "ended", status, name)
		if c.credited { // of two times ten minutes for 65,000, rounded up to a second
			require.InDelta(t, 65_000*900/1200, w.credit(s.CustomerID), 65_000/1200*5, name)
		} else {
			require.Zero(t, w.credit(s.CustomerID), name)
		}
		before := w.credit(s.CustomerID)
		_ = c.over(s, m)
		require.Equal(t, before, w.credit(s.CustomerID), "%s: once", name)
		require.Equal(t, payment.Credited, w.pays(pending.Payment.ID, 25_000))
		w.books()
	}
}
