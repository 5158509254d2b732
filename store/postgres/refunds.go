package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// Refunds implements payment.Refunds: the vendor's half of a refund. An operator's half is in admin_money.go.
type Refunds struct{ db *DB }

var _ payment.Refunds = (*Refunds)(nil)

// Refunds is the refunds' part of the store.
func (db *DB) Refunds() *Refunds { return &Refunds{db} }

const claimRefundsSQL = `
	update refunds r set work_at = now() + $2::interval, attempts = r.attempts + 1, failure = ''
	from payments p
	where p.id = r.payment_id and r.id = any(array(
		select id from refunds where work_at <= now() order by work_at limit $1 for update skip locked))
	returning r.id, r.payment_id, r.amount, r.status, coalesce(r.provider_id, ''), p.charge, r.attempts`

// Claim implements payment.Refunds.
func (r *Refunds) Claim(ctx context.Context, limit int) (claimed []payment.Refund, err error) {
	err = r.db.within(ctx, "claim refunds", func(ctx context.Context) error {
		rows, err := r.db.pool.Query(ctx, claimRefundsSQL, limit, payment.Lease)
		if err != nil {
			return err
		}
		claimed, err = pgx.CollectRows(rows, pgx.RowToStructByPos[payment.Refund])
		return err
	})
	return claimed, err
}

// pendingEvery is how often a refund is asked after that the vendor has not decided.
const pendingEvery = 5 * time.Minute

// Settled implements payment.Refunds.
func (r *Refunds) Settled(ctx context.Context, id core.RefundID, state payment.RefundState) error {
	if state.Pending {
		return r.exec(ctx, "refund pending", `
			update refunds set provider_id = $2, work_at = case when work_at <= now() then work_at else now() + $3::interval end, attempts = 0 where id = $1 and status = 'pending'`,
			id, state.ID, pendingEvery)
	}
	return r.db.inTx(ctx, "refund settled", func(ctx context.Context, t *tx) error { return t.settleRefund(ctx, id, state) })
}

// A session comes before its payment and its refund, as in every order of locks.
const (
	closeRefundSQL = `
		with s as materialized (
			select c.id from chat_sessions c join payments p on p.session_id = c.id join refunds r on r.payment_id = p.id
			where r.id = $1 for no key update of c)
		update refunds r set status = $2, provider_id = coalesce(nullif($3, ''), r.provider_id), failure = $4, work_at = null, closed_at = now()
		from payments p where r.id = $1 and r.status = 'pending' and p.id = r.payment_id and (select count(*) from s) > 0
		returning p.id, p.customer_id, p.session_id, p.amount, r.amount, r.from_credit, r.operator_id`
	refundedSQL = `
		update payments set status = 'refunded', updated_at = now()
		where id = $1 and status = 'paid' and amount = (
			select sum(amount) from refunds where payment_id = $1 and status = 'succeeded')`
)

func (t *tx) settleRefund(ctx context.Context, id core.RefundID, state payment.RefundState) error {
	status := payment.RefundSucceeded
	if state.Failure != "" {
		status = payment.RefundFailed
	}
	var of core.PaymentID
	var price, amount, fromCredit int64
	back := entry{refund: id, reason: payment.PaidBack, note: "the refund failed"}
	err := t.QueryRow(ctx, closeRefundSQL, id, status, state.ID, core.FirstChars(state.Failure, maxFailure)).
		Scan(&of, &back.customer, &back.session, &price, &amount, &fromCredit, &back.operator)
	if missing(err) {
		return nil // settled already
	}
	if err != nil {
		return err
	}
	if status == payment.RefundFailed {
		back.payment = of
		return t.undoRefund(ctx, back, amount, fromCredit)
	}
	done, err := t.Exec(ctx, refundedSQL, of)
	if err != nil || done.RowsAffected() == 0 {
		return err
	}
	return t.tellPayment(ctx, back.session)
}

// undoRefund books back what a refund took that the vendor did not make.
func (t *tx) undoRefund(ctx context.Context, e entry, amount, fromCredit int64) error {
	e.amount = amount
	if err := t.credit(ctx, e); err != nil || amount == fromCredit {
		return err
	}
	e.amount, e.reason = fromCredit-amount, payment.ByHand
	return t.credit(ctx, e)
}

// tellPayment shows a live session's payment as it is now.
func (t *tx) tellPayment(ctx context.Context, id core.SessionID) error {
	var s chat.Session
	s, err := scanSession(t.QueryRow(ctx, `
		with s as (
			update chat_sessions set version = version + 1
			where id = $1 and status in ('searching', 'pending_payment', 'active') returning *)
		select`+sessionColumns+` from s`+sessionJoins, id), t.db.settings.Current().CustomerAnonymity)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.tell(s)
}

// Postpone implements payment.Refunds.
func (r *Refunds) Postpone(ctx context.Context, id core.RefundID, wait time.Duration, failure string) error {
	return r.exec(ctx, "postpone refund", `
		update refunds set work_at = case when work_at <= now() then work_at else now() + $2::interval end, failure = $3 where id = $1 and status = 'pending'`,
		id, wait, core.FirstChars(failure, maxFailure))
}

func (r *Refunds) exec(ctx context.Context, op, sql string, args ...any) error {
	payments := Payments{r.db}
	return payments.exec(ctx, op, sql, args...)
}
