package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

const adminPaymentSQL = `
	select x.id, x.session_id, x.extension_id, x.customer_id, x.amount, x.status, x.provider, x.provider_id, x.checkout_url, x.failure,
		coalesce((select sum(amount) from refunds where payment_id = x.id and status <> 'failed'), 0)::bigint,
		coalesce((select sum(amount) from payment_receipts where payment_id = x.id and credited), 0)::bigint,
		x.created_at, x.expires_at, x.paid_at
	from payments x`

func scanAdminPayment(row pgx.CollectableRow) (p admin.Payment, err error) {
	err = row.Scan(&p.ID, &p.SessionID, &p.ExtensionID, &p.CustomerID, &p.Amount, &p.Status, &p.Provider, (*zeronull.Text)(&p.ProviderID),
		&p.CheckoutURL, &p.Failure, &p.Refunded, &p.Credited, &p.CreatedAt, (*zeronull.Timestamptz)(&p.ExpiresAt), (*zeronull.Timestamptz)(&p.PaidAt))
	return p, err
}

func paymentsQuery(filter admin.PaymentFilter, span admin.Span) (*query, string) {
	q := &query{}
	if filter.Status != "" {
		q.and(`x.status = %s`, filter.Status)
	}
	if !filter.Customer.IsZero() {
		q.and(`x.customer_id = %s`, filter.Customer)
	}
	if !filter.Session.IsZero() {
		q.and(`x.session_id = %s`, filter.Session)
	}
	return q, q.text(adminPaymentSQL, span)
}

// Payments implements admin.Money.
func (a *Admin) Payments(ctx context.Context, filter admin.PaymentFilter, span admin.Span) ([]admin.Payment, error) {
	q, sql := paymentsQuery(filter, span)
	return listed(ctx, a.db, "list payments", q, sql, scanAdminPayment)
}

// storyLimit bounds what is told of one payment.
const storyLimit = 100

// PaymentStory implements admin.Money.
func (a *Admin) PaymentStory(ctx context.Context, id core.PaymentID) (story admin.PaymentStory, err error) {
	err = a.db.within(ctx, "story of a payment", func(ctx context.Context) error {
		if story.Payment, err = one(ctx, a.db.pool, noPayment, scanAdminPayment, adminPaymentSQL+` where x.id = $1`, id); err != nil {
			return err
		}
		if story.Receipts, err = all(ctx, a.db.pool, pgx.RowToStructByPos[admin.Receipt], `
			select provider, provider_id, charge, amount, credited, at from payment_receipts where payment_id = $1 order by at limit $2`,
			id, storyLimit); err != nil {
			return err
		}
		if story.Refunds, err = all(ctx, a.db.pool, scanAdminRefund, adminRefundSQL+` where x.payment_id = $1 order by x.id limit $2`, id, storyLimit); err != nil {
			return err
		}
		story.Webhooks, err = all(ctx, a.db.pool, scanWebhook, `
			select event, coalesce(outcome, ''), substring(body for 16384), received_at from payment_webhooks
			where payment_id = $1 order by received_at limit $2`, id, storyLimit)
		return err
	})
	return story, err
}

// scanWebhook shows a body that need not be text.
func scanWebhook(row pgx.CollectableRow) (w admin.Webhook, err error) {
	var body []byte
	err = row.Scan(&w.Event, &w.Outcome, &body, &w.ReceivedAt)
	w.Body = strings.ToValidUTF8(string(body), "\uFFFD")
	return w, err
}

// all reads the rows of a statement, one the only one.
func all[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func one[T any](ctx context.Context, q querier, none func() error, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		var zero T
		return zero, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, scan)
	if missing(err) {
		err = none()
	}
	return found, err
}

const adminRefundSQL = `
	select x.id, x.payment_id, x.amount, x.from_credit, x.status, x.reason, x.failure, x.operator_id, x.created_at, x.closed_at from refunds x`

func scanAdminRefund(row pgx.CollectableRow) (r admin.Refund, err error) {
	err = row.Scan(&r.ID, &r.PaymentID, &r.Amount, &r.FromCredit, &r.Status, &r.Reason, &r.Failure, &r.OperatorID, &r.CreatedAt,
		(*zeronull.Timestamptz)(&r.ClosedAt))
	return r, err
}

// A payment under lock with what of it was given back, and what of its money became credit and was not taken out again.
const (
	lockRefundableSQL = `select customer_id, session_id, status, amount from payments where id = $1 for no key update`
	refundableSQL     = `
		select coalesce((select sum(amount) from refunds where payment_id = $1 and status <> 'failed'), 0)::bigint,
			exists (select from refunds where payment_id = $1 and status = 'pending'),
			greatest(0, coalesce((
				select sum(amount) from customer_credits
				where customer_id = $3 and (payment_id = $1 and reason = 'late' or session_id = $2 and reason = 'returned')), 0)
				- coalesce((select sum(from_credit) from refunds where payment_id = $1 and status <> 'failed'), 0))::bigint`
)

// OrderRefund implements admin.Money.
func (a *Admin) OrderRefund(ctx context.Context, by core.OperatorID, order admin.RefundOrder) (r admin.Refund, err error) {
	err = a.db.inTx(ctx, "order refund", func(ctx context.Context, t *tx) error {
		id := core.NewID[core.RefundID]()
		if err := t.orderRefund(ctx, by, id, order); err != nil {
			return err
		}
		r, err = one(ctx, t, noPayment, scanAdminRefund, adminRefundSQL+` where x.id = $1`, id)
		return err
	})
	return r, err
}

func (t *tx) orderRefund(ctx context.Context, by core.OperatorID, id core.RefundID, order admin.RefundOrder) error {
	var status payment.Status
	var amount, refunded, inCredit int64
	var pending bool
	e := entry{payment: order.Payment, refund: id, operator: by, note: order.Reason}
	err := t.QueryRow(ctx, lockRefundableSQL, order.Payment).Scan(&e.customer, &e.session, &status, &amount)
	if missing(err) {
		err = noPayment()
	}
	if err != nil {
		return err
	}
	if err := t.QueryRow(ctx, refundableSQL, order.Payment, e.session, e.customer).Scan(&refunded, &pending, &inCredit); err != nil {
		return err
	}
	if order.Amount == 0 {
		order.Amount = amount - refunded
	}
	switch {
	case status != payment.Paid:
		return core.Errorf(core.Conflict, "the payment is %s", status)
	case pending:
		return core.Errorf(core.Conflict, "another refund of the payment is pending")
	case order.Amount < 1 || order.Amount > amount-refunded:
		return core.FieldError("amount", "must be from 1 to %d rupiah", amount-refunded)
	}
	fromCredit := min(order.Amount, inCredit)
	_, err = t.Exec(ctx, `
		insert into refunds (id, payment_id, amount, from_credit, reason, operator_id) values ($1, $2, $3, $4, $5, $6)`,
		id, order.Payment, order.Amount, fromCredit, order.Reason, by)
	if err != nil {
		return err
	}
	if e.amount = order.Amount - fromCredit; e.amount > 0 { // given by the operator, and paid out at once
		e.reason = payment.ByHand
		if err := t.credit(ctx, e); err != nil {
			return err
		}
	}
	e.amount, e.reason = -order.Amount, payment.PaidBack
	if err := t.credit(ctx, e); err != nil {
		return err
	}
	return t.audit(ctx, by, "payment.refund", order.Payment, nil, fields{
		"refund_id": id, "amount": order.Amount, "from_credit": fromCredit, "reason": order.Reason,
	})
}

const adminCreditSQL = `
	select x.id, x.customer_id, x.amount, x.balance, x.reason, x.session_id, x.payment_id, x.operator_id, x.note, x.at from customer_credits x`

// Credits implements admin.Money.
func (a *Admin) Credits(ctx context.Context, customer core.CustomerID, span admin.Span) (balance int64, entries []admin.Credit, err error) {
	err = a.db.within(ctx, "credit of a customer", func(ctx context.Context) error {
		err := a.db.pool.QueryRow(ctx, `select credit from customers where id = $1`, customer).Scan(&balance)
		if missing(err) {
			err = noCustomer()
		}
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	q := &query{}
	q.and(`x.customer_id = %s`, customer)
	entries, err = listed(ctx, a.db, "list credits", q, q.text(adminCreditSQL, span), pgx.RowToStructByPos[admin.Credit])
	return balance, entries, err
}

// GiveCredit implements admin.Money.
func (a *Admin) GiveCredit(ctx context.Context, by core.OperatorID, customer core.CustomerID, amount int64, note string) (c admin.Credit, err error) {
	err = a.db.inTx(ctx, "give credit", func(ctx context.Context, t *tx) error {
		if err := t.credit(ctx, entry{customer: customer, amount: amount, reason: payment.ByHand, operator: by, note: note}); err != nil {
			return err
		}
		c, err = one(ctx, t, noCustomer, pgx.RowToStructByPos[admin.Credit], adminCreditSQL+` where x.customer_id = $1 order by x.id desc limit 1`, customer)
		if err != nil {
			return err
		}
		return t.audit(ctx, by, "customer.credit", customer, fields{"credit": c.Balance - amount}, fields{"credit": c.Balance, "amount": amount, "note": note})
	})
	return c, err
}

func noCustomer() error { return core.Errorf(core.NotFound, "no such customer") }

// RerouteSession implements admin.Sessions.
func (a *Admin) RerouteSession(ctx context.Context, by core.OperatorID, id core.SessionID, note string) (s admin.Session, err error) {
	err = a.db.inTx(ctx, "reroute session by operator", func(ctx context.Context, t *tx) error {
		h, err := t.hold(ctx, id)
		if err != nil {
			return err
		}
		if h.status != chat.Searching || h.round == 0 {
			if _, err := t.reroute(ctx, h, actor{core.Operator, core.UserID(by)}, "reroute", note); err != nil {
				return err
			}
			if err := t.audit(ctx, by, "session.reroute", id, fields{"status": h.status, "mitra_id": h.mitra},
				fields{"status": chat.Searching, "note": note}); err != nil {
				return err
			}
		}
		s, err = adminSession(ctx, t, id)
		return err
	})
	return s, err
}
