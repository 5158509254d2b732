package postgres

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// entry is a line of the ledger of customers' credit.
type entry struct {
	customer core.CustomerID
	amount   int64 // below zero: taken
	reason   payment.CreditReason
	session  core.SessionID
	payment  core.PaymentID
	refund   core.RefundID
	operator core.OperatorID
	note     string
}

// Customers are locked after everything else, and nothing is waited for then but another customer of a mitra who is deactivated.
const creditSQL = `
	with c as (update customers set credit = credit + $2 where id = $1 returning id, credit)
	insert into customer_credits (customer_id, amount, balance, reason, session_id, payment_id, refund_id, operator_id, note)
	select id, $2, credit, $3, $4, $5, $6, $7, $8 from c`

// credit moves a customer's credit and writes down why. CONFLICT when there is less than is to be taken, NOT_FOUND.
func (t *tx) credit(ctx context.Context, e entry) error {
	done, err := t.Exec(ctx, creditSQL, e.customer, e.amount, e.reason, e.session, e.payment, e.refund, e.operator, e.note)
	switch {
	case violates(err, "customers_credit_check"):
		return core.Errorf(core.Conflict, "the customer has less credit than that")
	case err == nil && done.RowsAffected() == 0:
		return core.Errorf(core.NotFound, "no such customer")
	}
	return err
}

// spendCredit takes as much credit as there is for what a session needs. seen is the credit as it was seen before; at none, nothing
// is asked.
func (t *tx) spendCredit(ctx context.Context, customer core.CustomerID, session core.SessionID, seen, need int64) (spent int64, err error) {
	if seen <= 0 || need <= 0 {
		return 0, nil
	}
	var has int64
	if err := t.QueryRow(ctx, `select credit from customers where id = $1 for no key update`, customer).Scan(&has); err != nil {
		return 0, err
	}
	if spent = min(has, need); spent == 0 {
		return 0, nil
	}
	return spent, t.credit(ctx, entry{customer: customer, amount: -spent, reason: payment.Spent, session: session})
}

// creditUnused gives back what a session that is over without a talk, or without the rest of it, has cost.
func (t *tx) creditUnused(ctx context.Context, h held, reason chat.EndReason) error {
	amount := chat.Unused(h.status, reason, h.money.funds, h.money.left, h.money.paid)
	if amount == 0 {
		return nil
	}
	return t.credit(ctx, entry{customer: h.customer, amount: amount, reason: payment.Returned, session: h.id})
}
