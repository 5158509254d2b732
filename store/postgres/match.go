package postgres

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// The talk begins, or goes on after a reroute for what is left of it. A step to active may put in money by the way: fundsIn.
const (
	running = `started_at = statement_timestamp(),
		ends_at = statement_timestamp() + make_interval(secs => coalesce(seconds_left, duration_minutes * 60)),
		warn_at = statement_timestamp() + make_interval(secs => coalesce(seconds_left, duration_minutes * 60) - 60),
		ending_soon = false, seconds_left = null, paid_seconds = greatest(paid_seconds, duration_minutes * 60), payment_deadline_at = null`
	startSQL = moveHead + running + `, mitra_id = $8, waiting = false, wave_deadline_at = null, funds = funds + $9` + moveWhere + moveTail
)

// $8 the mitra, $9 how long, $10 credit put in, $11 the invoice: a new one, or the open one of an earlier round.
const (
	awaitPaymentHead = moveHead + `mitra_id = $8, waiting = false, wave_deadline_at = null,
		payment_deadline_at = statement_timestamp() + $9::interval, funds = funds + $10` + moveWhere
	openInvoiceSQL = awaitPaymentHead + `,
		bill as (
			insert into payments (id, session_id, customer_id, amount, expires_at)
			select $11, id, customer_id, price - funds, payment_deadline_at from s)` + moveTail
	keepInvoiceSQL = awaitPaymentHead + `,
		bill as (
			update payments p set expires_at = s.payment_deadline_at, work_at = least(p.work_at, s.payment_deadline_at), updated_at = now()
			from s where p.id = $11)` + moveTail
)

// match gives the session to the mitra: active when nothing is to be paid any more, which credit may do.
func (t *tx) match(ctx context.Context, a *acceptance) (s chat.Session, err error) {
	by, m := actor{core.Mitra, core.UserID(a.mitra.ID)}, &a.session
	if m.price == 0 || m.paid > 0 {
		s, err = t.move(ctx, startSQL, m.id, m.status, chat.Active, by, "accepted", "", a.mitra.ID, 0)
	} else {
		s, err = t.matchUnpaid(ctx, a, by)
	}
	if err != nil {
		return s, err
	}
	if err := t.settleOffers(ctx, a); err != nil {
		return s, err
	}
	return s, t.tell(s)
}

func (t *tx) matchUnpaid(ctx context.Context, a *acceptance, by actor) (s chat.Session, err error) {
	m, timeout := &a.session, t.db.settings.Current().PaymentTimeout
	invoice, err := t.openInvoice(ctx, m, timeout)
	if err != nil {
		return s, err
	}
	sql, spent := keepInvoiceSQL, int64(0)
	if invoice.ID.IsZero() {
		if spent, err = t.spendCredit(ctx, m.customer, m.id, m.credit, m.price-m.funds); err != nil {
			return s, err
		}
		if m.funds+spent == m.price {
			return t.move(ctx, startSQL, m.id, m.status, chat.Active, by, "accepted", "", a.mitra.ID, spent)
		}
		sql, invoice = openInvoiceSQL, chat.Payment{ID: core.NewID[core.PaymentID](), Status: string(payment.Opening)}
	}
	s, err = t.move(ctx, sql, m.id, m.status, chat.PendingPayment, by, "accepted", "", a.mitra.ID, timeout, spent, invoice.ID)
	if err == nil {
		invoice.ExpiresAt = s.DeadlineAt
		s.Payment = &invoice // the statement that wrote it does not see it
	}
	return s, err
}

// openInvoice finds the invoice that stayed open over a reroute. One that the vendor would close before our new deadline is
// given up for a new one.
func (t *tx) openInvoice(ctx context.Context, m *matchable, timeout time.Duration) (p chat.Payment, err error) {
	if m.round == 0 {
		return p, nil
	}
	var lasts bool
	err = t.QueryRow(ctx, `
		select id, status, checkout_url, coalesce(provider_expires_at >= now() + $2::interval, true) from payments
		where session_id = $1 and extension_id is null and status in ('opening', 'open') for no key update`, m.id, timeout).
		Scan(&p.ID, &p.Status, &p.CheckoutURL, &lasts)
	switch {
	case missing(err):
		return chat.Payment{}, nil
	case err == nil && !lasts:
		_, err = t.Exec(ctx, closeInvoiceSQL, p.ID, payment.Expired, "would end too early")
		return chat.Payment{}, err
	}
	return p, err
}
