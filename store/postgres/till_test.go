package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func TestSettle_StartsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.owes()
	w.opens(s.Payment.ID)
	shown := w.read(s)
	require.Equal(t, "open", shown.Payment.Status)
	require.NotEmpty(t, shown.Payment.CheckoutURL)
	require.Equal(t, s.Version+1, shown.Version)

	require.Equal(t, payment.Started, w.pays(s.Payment.ID, 25_000))
	got := w.read(s)
	require.Equal(t, chat.Active, got.Status)
	require.Equal(t, m, got.MitraID)
	require.Equal(t, "paid", got.Payment.Status)
	require.InDelta(t, 600, got.EndsAt.Sub(got.StartedAt).Seconds(), 0.001)
	told := events[chat.Session](w, core.SessionUpdated, s.CustomerID)
	require.Equal(t, got, told[len(told)-1], "what is told is what is read")
	require.Contains(t, w.history(s.ID), "active:system:paid")
	require.Nil(t, value[*string](w, `select work_at::text from payments where id = $1`, s.Payment.ID), "nothing is left to do")
	w.books()
}

func TestSettle_FiftyTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	s, _ := w.owes()
	started := make(chan payment.Outcome, 50)
	outcomes := race(50, w.db, other, func(_ int, db *postgres.DB) error {
		outcome, err := db.Payments().Settle(t.Context(), receipt(s.Payment.ID, 25_000))
		if err == nil { // a busy Postgres is asked again
			started <- outcome
		}
		return err
	})
	close(started)
	require.Equal(t, map[core.Code]int{"": 50}, outcomes)
	count := map[payment.Outcome]int{}
	for o := range started {
		count[o]++
	}
	require.Equal(t, map[payment.Outcome]int{payment.Started: 1, payment.Repeated: 49}, count)
	w.books()
}

func TestSettle_WithoutEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.owes()
	foreign := receipt(s.Payment.ID, 25_000)
	foreign.Currency = "USD"
	for want, r := range map[payment.Outcome][]payment.Receipt{
		payment.Mismatch: {receipt(s.Payment.ID, 24_999), receipt(s.Payment.ID, 25_001), receipt(s.Payment.ID, 0), receipt(s.Payment.ID, -25_000), foreign},
		payment.Unknown:  {receipt(core.NewID[core.PaymentID](), 25_000), receipt(core.PaymentID{}, 25_000)},
	} {
		for _, one := range r {
			require.Equal(t, want, w.settles(one))
		}
	}
	require.Equal(t, chat.PendingPayment, w.read(s).Status)
	require.Equal(t, payment.Started, w.pays(s.Payment.ID, 25_000), "and blocks nothing")
	w.books()
}

func TestSettle_PaidTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.runs()
	again := receipt(s.Payment.ID, 25_000)
	again.Charge = "py-2"
	require.Equal(t, payment.Credited, w.settles(again))
	require.Equal(t, payment.Repeated, w.settles(again))
	again.Charge = ""
	require.Equal(t, payment.Repeated, w.settles(again), "told without its name: one of the two")
	other := receipt(s.Payment.ID, 25_000)
	other.ProviderID = "ps-another"
	require.Equal(t, payment.Credited, w.settles(other))
	require.EqualValues(t, 50_000, w.credit(s.CustomerID))
	w.books()
}

func TestSettle_Late(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, over := range map[string]func(s chat.Session){
		"cancelled": func(s chat.Session) {
			_, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
			require.NoError(t, err)
		},
		"expired": func(s chat.Session) {
			w.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, s.ID)
			require.NoError(t, w.db.Chat().PaymentTimeout(t.Context(), s.ID))
		},
	} {
		s, _ := w.owes()
		w.opens(s.Payment.ID)
		over(s)
		require.Equal(t, name, w.paymentStatus(s.Payment.ID))
		require.NotNil(t, value[*string](w, `select work_at::text from payments where id = $1`, s.Payment.ID), "the vendor's session is to be cancelled")
		require.Equal(t, payment.Credited, w.pays(s.Payment.ID, 25_000))
		require.Equal(t, payment.Repeated, w.pays(s.Payment.ID, 25_000))
		require.EqualValues(t, 25_000, w.credit(s.CustomerID))
		require.Equal(t, "paid", w.paymentStatus(s.Payment.ID))
		w.books()
	}
}

func TestSettle_WhileTheDeadlineFires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	for range 20 {
		s, _ := w.owes()
		w.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, s.ID)
		outcomes := race(2, w.db, other, func(i int, db *postgres.DB) error {
			if i == 0 {
				return db.Chat().PaymentTimeout(t.Context(), s.ID)
			}
			_, err := db.Payments().Settle(t.Context(), receipt(s.Payment.ID, 25_000))
			return err
		})
		require.Equal(t, map[core.Code]int{"": 2}, outcomes)
		status, _ := w.session(s.ID)
		require.Equal(t, map[string]int64{"active": 0, "cancelled": 25_000}[status], w.credit(s.CustomerID), status)
		w.books()
	}
}

// The vendor gives an invoice up before its time, the customer asks for another one, and then the first is paid.
func TestSettle_ByAnOlderInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.owes()
	first := s.Payment.ID
	w.opens(first)
	outcome, err := w.db.Payments().Lapse(t.Context(), first, vendorSession(first), payment.Expired, "")
	require.NoError(t, err)
	require.Equal(t, payment.Closed, outcome)
	require.Equal(t, "expired", w.read(s).Payment.Status)

	second, claimed, err := w.db.Payments().Invoice(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)
	require.True(t, claimed)
	require.NotEqual(t, first, second.ID)
	require.Equal(t, second.ID, w.read(s).Payment.ID)
	require.Equal(t, payment.Started, w.pays(first, 25_000), "expired before paid: it counts all the same")
	require.Equal(t, "cancelled", w.paymentStatus(second.ID))
	got := w.read(s)
	require.Equal(t, first, got.Payment.ID)
	require.Equal(t, payment.Credited, w.pays(second.ID, 25_000))
	w.books()
}

func TestSettle_WhileSearching(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.owes()
	w.opens(s.Payment.ID)
	s = w.reroutes(s)
	require.Equal(t, "open", s.Payment.Status, "the invoice stays")
	require.Equal(t, payment.Kept, w.pays(s.Payment.ID, 25_000))
	require.Equal(t, "paid", w.read(s).Payment.Status)

	m := w.mitra()
	w.wave(s, m)
	got := w.accepts(s, m)
	require.Equal(t, chat.Active, got.Status, "straight to active")
	require.InDelta(t, 600, got.EndsAt.Sub(got.StartedAt).Seconds(), 0.001)
	w.books()
}

func TestSettle_AfterAReroute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.owes()
	w.opens(s.Payment.ID)
	s = w.reroutes(s)
	m := w.mitra()
	w.wave(s, m)
	got := w.accepts(s, m)
	require.Equal(t, chat.PendingPayment, got.Status)
	require.Equal(t, s.Payment.ID, got.Payment.ID, "the same invoice")
	require.Equal(t, got.DeadlineAt, got.Payment.ExpiresAt)
	require.Equal(t, payment.Started, w.pays(s.Payment.ID, 25_000))
	w.books()
}

func TestSettle_AfterARerouteWithAnInvoiceThatEndsTooEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.owes()
	w.opens(s.Payment.ID)
	w.exec(`update payments set provider_expires_at = now() + interval '1 minute'`)
	s = w.reroutes(s)
	m := w.mitra()
	w.wave(s, m)
	got := w.accepts(s, m)
	require.NotEqual(t, s.Payment.ID, got.Payment.ID)
	require.Equal(t, "expired", w.paymentStatus(s.Payment.ID))
	require.Equal(t, payment.Started, w.pays(got.Payment.ID, 25_000))
	w.books()
}

func TestRefund_Books(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refunds, orders := w.db.Refunds(), w.db.Admin()
	for name, failure := range map[string]string{"succeeded": "", "failed": "INSUFFICIENT_BALANCE"} {
		s, _ := w.runs()
		r, err := orders.OrderRefund(t.Context(), core.OperatorID{}, refundOf(s.Payment.ID, 0))
		require.NoError(t, err)
		w.books()
		claimed, err := refunds.Claim(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		require.Equal(t, "pr-1", claimed[0].Charge)
		require.NoError(t, refunds.Settled(t.Context(), r.ID, payment.RefundState{ID: "rfd-1", Failure: failure}))
		require.NoError(t, refunds.Settled(t.Context(), r.ID, payment.RefundState{ID: "rfd-1"}), "once")
		require.Equal(t, name, value[string](w, `select status from refunds where id = $1`, r.ID))
		require.Zero(t, w.credit(s.CustomerID))
		require.Equal(t, map[string]string{"succeeded": "refunded", "failed": "paid"}[name], w.read(s).Payment.Status)
		w.books()
	}
}

func TestRefund_OfCredit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.owes()
	_, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)
	require.Equal(t, payment.Credited, w.pays(s.Payment.ID, 25_000))
	w.gives(s.CustomerID, -20_000)
	_, err = w.db.Admin().OrderRefund(t.Context(), core.OperatorID{}, refundOf(s.Payment.ID, 0))
	code(t, err, core.Conflict)
	_, err = w.db.Admin().OrderRefund(t.Context(), core.OperatorID{}, refundOf(s.Payment.ID, 5_000))
	require.NoError(t, err)
	require.Zero(t, w.credit(s.CustomerID))
	w.books()
}

func refundOf(id core.PaymentID, amount int64) admin.RefundOrder {
	return admin.RefundOrder{Payment: id, Amount: amount}
}
