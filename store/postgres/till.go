package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// bill is a payment under lock, with its session and that one's mitra.
type bill struct {
	held       held
	id         core.PaymentID
	status     payment.Status
	amount     int64
	extension  core.ExtensionID
	seconds    int // of the extension
	providerID string
}

// The session, its mitra, the payment, in this order. What an extension is worth never changes, so it needs no lock.
const lockBillSQL = `
	with s as materialized (
		select * from chat_sessions where id = (select session_id from payments where id = $1) for no key update),
	m as materialized (
		select id from mitras where id = (select mitra_id from s where status in ('pending_payment', 'active')) for no key update),
	p as materialized (
		select * from payments where id = $1 and (select count(*) from s) > 0 and (select count(*) from m) >= 0 for no key update)
	select ` + heldColumns + `, p.id, p.status, p.amount, p.extension_id, coalesce(e.duration_minutes * 60, 0), p.provider_id
	from s cross join p left join session_extensions e on e.id = p.extension_id`

// lockBill gives a zero id when there is no such payment.
func (t *tx) lockBill(ctx context.Context, id core.PaymentID) (b bill, err error) {
	err = t.QueryRow(ctx, lockBillSQL, id).Scan(append(b.held.columns(),
		&b.id, &b.status, &b.amount, &b.extension, &b.seconds, (*zeronull.Text)(&b.providerID))...)
	if missing(err) {
		return bill{}, nil
	}
	return b, err
}

// awaited tells whether something still waits for the payment's money.
func (b *bill) awaited() bool {
	h := &b.held
	if !b.extension.IsZero() {
		return h.money.extension == b.extension && (h.status == chat.Active || h.status == chat.Searching)
	}
	return h.money.unpaid() && (h.status == chat.PendingPayment || h.status == chat.Searching) && b.amount == h.money.price-h.money.funds
}

// How a receipt is written, whatever else its statement does: $8 the payment, $9 the amount, $10 the vendor, $11 its session,
// $12 its money, $13 what a refund names, $14 the webhook, $15 its outcome, $16 whether it is credited. Another session of the vendor's
// for the same payment is to be cancelled.
const receiptParts = `
	paid as (
		update payments set status = case when status = 'refunded' then status else 'paid' end, paid_at = coalesce(paid_at, now()),
			updated_at = now(), provider = $10, provider_id = coalesce(provider_id, $11), failure = '', attempts = 0,
			charge = case when charge = '' then coalesce(nullif($13, ''), $12) else charge end,
			work_at = case when provider_id <> $11 then now() end
		where id = $8),
	received as (
		insert into payment_receipts (provider, provider_id, charge, payment_id, amount, credited) values ($10, $11, $12, $8, $9, $16)),
	heard as (
		update payment_webhooks set outcome = $15, payment_id = $8, handled_at = now() where id = $14)`

const (
	startPaidSQL = moveHead + running + `, funds = funds + $9` + moveWhere + `,` + receiptParts + moveTail
	keepPaidSQL  = moveHead + `funds = funds + $9, paid_seconds = duration_minutes * 60, seconds_left = duration_minutes * 60` +
		moveWhere + `,` + receiptParts + moveTail
	// $17 the extension, $18 its seconds.
	extendedParts = `,
		extended as (update session_extensions set status = 'paid', closed_at = now() where id = $17),`
	extendPaidSQL = moveHead + `funds = funds + $9, extension_id = null, ending_soon = false,
		ends_at = ends_at + make_interval(secs => $18::integer), warn_at = ends_at + make_interval(secs => $18::integer - 60),
		paid_seconds = greatest(paid_seconds, duration_minutes * 60) + $18::integer` + moveWhere + extendedParts + receiptParts + moveTail
	extendLeftSQL = moveHead + `funds = funds + $9, extension_id = null,
		seconds_left = seconds_left + $18::integer, paid_seconds = paid_seconds + $18::integer` + moveWhere + extendedParts + receiptParts + moveTail
	// The seven parameters of a transition are not used, and keep their places.
	creditPaidSQL = `
		with unused as (select $1::uuid, $2::text, $3::text, $4::text, $5::uuid, $6::text, $7::text),` + receiptParts + `
		select count(*) from unused`
)

// Settle implements payment.Till.
func (m *Payments) Settle(ctx context.Context, r payment.Receipt) (outcome payment.Outcome, err error) {
	err = m.db.inTx(ctx, "settle payment", func(ctx context.Context, t *tx) error {
		b, err := t.lockBill(ctx, r.Payment)
		switch {
		case err != nil:
			return err
		case b.id.IsZero():
			outcome = payment.Unknown
			return nil
		}
		known, err := t.received(ctx, &b, r)
		switch {
		case err != nil:
			return err
		case known:
			outcome = payment.Repeated
			return nil
		case r.Amount != b.amount || r.Currency != payment.Currency || r.ProviderID == "":
			outcome = payment.Mismatch
			return nil
		}
		outcome, err = t.settle(ctx, &b, r)
		return err
	})
	return outcome, err
}

// received tells whether the money is known already. Which of a session's payments it is, is told by its charge where the vendor tells
// that; where it does not, a session is paid once.
func (t *tx) received(ctx context.Context, b *bill, r payment.Receipt) (known bool, err error) {
	if b.status != payment.Paid && b.status != payment.Refunded {
		return false, nil
	}
	err = t.QueryRow(ctx, `
		select exists (
			select from payment_receipts where payment_id = $1 and provider = $2 and provider_id = $3 and (charge = $4 or charge = '' or $4 = ''))`,
		r.Payment, r.Provider, r.ProviderID, r.Charge).Scan(&known)
	return known, err
}

// settle gives money that was not known its effect.
func (t *tx) settle(ctx context.Context, b *bill, r payment.Receipt) (payment.Outcome, error) {
	h := &b.held
	args := func(o payment.Outcome, more ...any) []any {
		return append([]any{b.id, r.Amount, r.Provider, r.ProviderID, r.Charge, r.Request, r.Delivery, o, o == payment.Credited}, more...)
	}
	var s chat.Session
	var err error
	outcome := payment.Credited
	switch {
	case !b.awaited():
		return outcome, t.creditLate(ctx, b, args(outcome))
	case b.extension.IsZero() && h.status == chat.PendingPayment:
		outcome = payment.Started
		s, err = t.move(ctx, startPaidSQL, h.id, h.status, chat.Active, system, "paid", "", args(outcome)...)
	case b.extension.IsZero():
		outcome = payment.Kept
		s, err = t.stay(ctx, keepPaidSQL, *h, system, "paid", nil, args(outcome)...)
	case h.status == chat.Active:
		outcome = payment.Extended
		_, err = t.stay(ctx, extendPaidSQL, *h, system, "extended", nil, args(outcome, b.extension, b.seconds)...)
	default:
		outcome = payment.Extended
		_, err = t.stay(ctx, extendLeftSQL, *h, system, "extended", nil, args(outcome, b.extension, b.seconds)...)
	}
	if err != nil {
		return outcome, err
	}
	if s, err = t.afterPayment(ctx, b, s); err != nil {
		return outcome, err
	}
	return outcome, t.tell(s)
}

// afterPayment closes another invoice that the session may have had open, and gives the session as it is shown now: the statement
// that wrote the receipt read the payment as it was before.
func (t *tx) afterPayment(ctx context.Context, b *bill, s chat.Session) (chat.Session, error) {
	if b.extension.IsZero() && b.status.Waits() && s.Payment != nil {
		s.Payment.Status = string(payment.Paid) // the open one is the one that is shown
		return s, nil
	}
	if b.extension.IsZero() {
		_, err := t.Exec(ctx, `
			update payments set status = 'cancelled', work_at = now(), updated_at = now()
			where session_id = $1 and extension_id is null and id <> $2 and status in ('opening', 'open')`, b.held.id, b.id)
		if err != nil {
			return s, err
		}
	}
	return t.db.session(ctx, t, b.held.id)
}

func (t *tx) creditLate(ctx context.Context, b *bill, args []any) error {
	args = append([]any{nil, nil, nil, nil, nil, nil, nil}, args...)
	if _, err := t.Exec(ctx, creditPaidSQL, args...); err != nil {
		return err
	}
	return t.credit(ctx, entry{
		customer: b.held.customer, amount: args[8].(int64), reason: payment.Late, session: b.held.id, payment: b.id,
	})
}
