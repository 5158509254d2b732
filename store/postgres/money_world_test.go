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

// books holds every rupiah to account:
//
//	receipts + operators' credit = prices of what was started − returned + balances + refunds
//
// and each balance to its ledger, each session's funds to its prices.
func (w *world) books() {
	w.t.Helper()
	var in, operators, funds, prices, returned, balances, refunds int64
	require.NoError(w.t, w.sql.QueryRow(context.Background(), booksSQL).Scan(&in, &operators, &funds, &prices, &returned, &balances, &refunds))
	require.Equal(w.t, in+operators, funds-returned+balances+refunds, "receipts %d + operators %d = funds %d − returned %d + balances %d + refunds %d",
		in, operators, funds, returned, balances, refunds)
	require.Equal(w.t, funds, prices, "what was put in is what was started, or waits for the rest of its price")
	require.Empty(w.t, value[[]string](w, wrongLedgersSQL), "balances that their ledgers do not explain")
	require.Empty(w.t, value[[]string](w, wrongPaymentsSQL), "payments that are not what arrived for them")
}

// A session that is not paid whole yet may have credit put in: then that is its price so far.
const booksSQL = `
	select
		(select coalesce(sum(amount), 0) from payment_receipts)::bigint,
		(select coalesce(sum(amount), 0) from customer_credits where reason = 'operator')::bigint,
		(select coalesce(sum(funds), 0) from chat_sessions)::bigint,
		((select coalesce(sum(case when paid_seconds > 0 then price else funds end), 0) from chat_sessions)
			+ (select coalesce(sum(price), 0) from session_extensions where status = 'paid'))::bigint,
		(select coalesce(sum(amount), 0) from customer_credits where reason = 'returned')::bigint,
		(select coalesce(sum(credit), 0) from customers)::bigint,
		(select coalesce(sum(amount), 0) from refunds where status <> 'failed')::bigint`

const wrongLedgersSQL = `
	select coalesce(array_agg(what), '{}') from (
		select 'balance of ' || c.id as what from customers c
		where c.credit <> coalesce((select sum(amount) from customer_credits where customer_id = c.id), 0)
		union all
		select 'entry ' || id from (
			select id, amount, balance, lag(balance, 1, 0::bigint) over (partition by customer_id order by id) as before from customer_credits) l
		where balance <> before + amount) wrong`

const wrongPaymentsSQL = `
	select coalesce(array_agg(what), '{}') from (
		select 'paid without a receipt ' || id as what from payments p
		where status in ('paid', 'refunded') and not exists (select from payment_receipts r where r.payment_id = p.id)
		union all
		select 'a receipt for an unpaid one ' || p.id from payments p join payment_receipts r on r.payment_id = p.id where p.status not in ('paid', 'refunded')
		union all
		select 'two receipts started ' || payment_id from payment_receipts where not credited group by payment_id having count(*) > 1
		union all
		select 'late money is no credit ' || r.payment_id from payment_receipts r
		where credited and not exists (select from customer_credits c where c.payment_id = r.payment_id and c.reason = 'late' and c.amount = r.amount)
		union all
		select 'unpaid, and it ran ' || id from chat_sessions where status in ('active', 'ended') and paid_seconds = 0
		union all
		select 'an extension of nothing ' || id from chat_sessions where extension_id is not null and status not in ('active', 'searching')
		union all
		select 'a pending extension that no session waits for ' || e.id from session_extensions e join chat_sessions s on s.id = e.session_id
		where e.status = 'pending' and s.extension_id is distinct from e.id
		union all
		select 'an open invoice of a session that is over ' || p.id from payments p join chat_sessions s on s.id = p.session_id
		where p.status in ('opening', 'open') and s.status not in ('searching', 'pending_payment', 'active')) wrong`
