package postgres_test

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// owes is a paid session that a new mitra accepted, with its invoice.
func (w *world) owes() (chat.Session, core.MitraID) {
	w.t.Helper()
	m := w.mitra()
	s := w.accepts(w.asks(w.paid, m), m)
	require.Equal(w.t, chat.PendingPayment, s.Status)
	return s, m
}

// runs is a paid session that is paid.
func (w *world) runs() (chat.Session, core.MitraID) {
	w.t.Helper()
	s, m := w.owes()
	require.Equal(w.t, payment.Started, w.pays(s.Payment.ID, 25_000))
	return w.read(s), m
}

func (w *world) read(s chat.Session) chat.Session {
	w.t.Helper()
	live, err := w.db.Chat().Live(w.t.Context(), as(core.Customer, s.CustomerID))
	require.NoError(w.t, err)
	require.Len(w.t, live, 1)
	return live[0]
}

// vendorSession is the vendor's name of a payment's first session.
func vendorSession(id core.PaymentID) string { return "ps-" + id.String() }

func receipt(id core.PaymentID, amount int64) payment.Receipt {
	return payment.Receipt{
		Payment: id, Provider: "fake", ProviderID: vendorSession(id), Charge: "py-1", Request: "pr-1", Amount: amount, Currency: payment.Currency,
	}
}

// pays is money for a payment that arrives.
func (w *world) pays(id core.PaymentID, amount int64) payment.Outcome {
	w.t.Helper()
	return w.settles(receipt(id, amount))
}

func (w *world) settles(r payment.Receipt) payment.Outcome {
	w.t.Helper()
	outcome, err := w.db.Payments().Settle(w.t.Context(), r)
	require.NoError(w.t, err)
	return outcome
}

// opens has the vendor open a payment.
func (w *world) opens(id core.PaymentID) payment.Payment {
	w.t.Helper()
	p, shown, err := w.db.Payments().Opened(w.t.Context(), id, "fake", payment.Checkout{
		ID: vendorSession(id), Reference: id, URL: "https://pay.test/" + id.String(), ExpiresAt: value[time.Time](w, `select now() + interval '1 hour'`),
	})
	require.NoError(w.t, err)
	require.True(w.t, shown)
	return p
}

func (w *world) credit(c core.CustomerID) int64 {
	w.t.Helper()
	return value[int64](w, `select credit from customers where id = $1`, c)
}

// gives is an operator's credit.
func (w *world) gives(c core.CustomerID, amount int64) {
	w.t.Helper()
	_, err := w.db.Admin().GiveCredit(context.Background(), core.OperatorID{}, c, amount, "")
	require.NoError(w.t, err)
}

func (w *world) paymentStatus(id core.PaymentID) string {
	w.t.Helper()
	return value[string](w, `select status from payments where id = $1`, id)
}

// books holds every rupiah to account.
func (w *world) books() {
	w.t.Helper()
	b, err := w.db.Books(context.Background())
	require.NoError(w.t, err)
	require.True(w.t, b.Level(), "%+v", b)
}
