package console

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

func (c *console) moneyRoutes() []rest.Route {
	const payments, credits = "/internal/payments", "/internal/customers/:id/credits"
	return []rest.Route{
		rest.On("GET", payments, rest.Operators, "Payments, newest first", c.payments),
		rest.On("GET", payments+"/:id", rest.Operators, "One payment with its receipts, refunds and webhooks", c.paymentStory, core.NotFound),
		rest.On("POST", payments+"/:id/refund", rest.Operators, "Give the money of a payment back, all of it or a part", c.refund,
			core.NotFound, core.Conflict).Creates(),
		rest.On("GET", credits, rest.Operators, "A customer's credit, and how it came to be, last first", c.credits, core.NotFound),
		rest.On("POST", credits, rest.Operators, "Give a customer credit, or take it", c.giveCredit, core.NotFound, core.Conflict).Creates(),
	}
}

// payment is an invoice as operators see it.
type payment struct {
	ID          core.PaymentID   `json:"id"`
	SessionID   core.SessionID   `json:"session_id"`
	ExtensionID core.ExtensionID `json:"extension_id,omitzero" doc:"it is for more minutes of the session"`
	CustomerID  core.CustomerID  `json:"customer_id"`
	Amount      int64            `json:"amount" doc:"rupiah"`
	Status      string           `json:"status" enum:"opening,open,paid,expired,cancelled,failed,refunded"`
	Provider    string           `json:"provider,omitzero"`
	ProviderID  string           `json:"provider_id,omitzero" doc:"the vendor's session"`
	CheckoutURL string           `json:"checkout_url,omitzero"`
	Failure     string           `json:"failure,omitzero" doc:"what the vendor said last"`
	Refunded    int64            `json:"refunded" doc:"given back, or on its way"`
	Credited    int64            `json:"credited" doc:"of what arrived: nothing waited for it, so it became credit"`
	CreatedAt   int64            `json:"created_at"`
	ExpiresAt   int64            `json:"expires_at,omitzero"`
	PaidAt      int64            `json:"paid_at,omitzero"`
}

func paymentOf(p admin.Payment) payment {
	return payment{
		ID: p.ID, SessionID: p.SessionID, ExtensionID: p.ExtensionID, CustomerID: p.CustomerID, Amount: p.Amount, Status: p.Status,
		Provider: p.Provider, ProviderID: p.ProviderID, CheckoutURL: p.CheckoutURL, Failure: p.Failure, Refunded: p.Refunded,
		Credited: p.Credited, CreatedAt: millis(p.CreatedAt), ExpiresAt: millis(p.ExpiresAt), PaidAt: millis(p.PaidAt),
	}
}

type paymentFilter struct {
	paging
	Status   string          `query:"status" enum:"opening,open,paid,expired,cancelled,failed,refunded"`
	Customer core.CustomerID `query:"customer_id"`
	Session  core.SessionID  `query:"session_id"`
}

func (c *console) payments(ctx context.Context, _ *rest.Call, in paymentFilter) (list[payment], error) {
	page, err := c.admin.Payments(ctx, admin.PaymentFilter{Status: in.Status, Customer: in.Customer, Session: in.Session}, in.page())
	return listOf(page, paymentOf), err
}

type paymentID struct {
	ID core.PaymentID `path:"id"`
}

type paymentStory struct {
	payment
	Receipts []receipt `json:"receipts"`
	Refunds  []refund  `json:"refunds"`
	Webhooks []webhook `json:"webhooks"`
}

type receipt struct {
	Provider   string `json:"provider"`
	ProviderID string `json:"provider_id"`
	Charge     string `json:"charge,omitzero" doc:"the vendor's id of the money"`
	Amount     int64  `json:"amount"`
	Credited   bool   `json:"is_credited"`
	At         int64  `json:"at"`
}

type refund struct {
	ID         core.RefundID   `json:"id"`
	PaymentID  core.PaymentID  `json:"payment_id"`
	Amount     int64           `json:"amount"`
	FromCredit int64           `json:"from_credit" doc:"of the amount: taken out of the customer's credit"`
	Status     string          `json:"status" enum:"pending,succeeded,failed"`
	Reason     string          `json:"reason,omitzero"`
	Failure    string          `json:"failure,omitzero"`
	OperatorID core.OperatorID `json:"operator_id,omitzero"`
	CreatedAt  int64           `json:"created_at"`
	ClosedAt   int64           `json:"closed_at,omitzero"`
}

type webhook struct {
	Event      string `json:"event"`
	Outcome    string `json:"outcome,omitzero" doc:"left out: not handled yet"`
	Body       string `json:"body" doc:"its beginning"`
	ReceivedAt int64  `json:"received_at"`
}

func refundOf(r admin.Refund) refund {
	return refund{
		ID: r.ID, PaymentID: r.PaymentID, Amount: r.Amount, FromCredit: r.FromCredit, Status: r.Status, Reason: r.Reason, Failure: r.Failure,
		OperatorID: r.OperatorID, CreatedAt: millis(r.CreatedAt), ClosedAt: millis(r.ClosedAt),
	}
}

func (c *console) paymentStory(ctx context.Context, _ *rest.Call, in paymentID) (paymentStory, error) {
	told, err := c.admin.PaymentStory(ctx, in.ID)
	s := paymentStory{payment: paymentOf(told.Payment), Receipts: []receipt{}, Refunds: []refund{}, Webhooks: []webhook{}}
	for _, r := range told.Receipts {
		s.Receipts = append(s.Receipts, receipt{r.Provider, r.ProviderID, r.Charge, r.Amount, r.Credited, millis(r.At)})
	}
	for _, r := range told.Refunds {
		s.Refunds = append(s.Refunds, refundOf(r))
	}
	for _, w := range told.Webhooks {
		s.Webhooks = append(s.Webhooks, webhook{w.Event, w.Outcome, w.Body, millis(w.ReceivedAt)})
	}
	return s, err
}

type refundWish struct {
	paymentID
	Amount *int64  `json:"amount" min:"1" doc:"rupiah; all that was not given back yet unless given"`
	Reason *string `json:"reason" max:"500"`
}

func (c *console) refund(ctx context.Context, call *rest.Call, in refundWish) (refund, error) {
	order := admin.RefundOrder{Payment: in.ID}
	if in.Amount != nil {
		order.Amount = *in.Amount
	}
	if in.Reason != nil {
		order.Reason = *in.Reason
	}
	r, err := c.admin.OrderRefund(ctx, call.Who, order)
	return refundOf(r), err
}

// credit is a line of the ledger.
type credit struct {
	ID         int64           `json:"id"`
	Amount     int64           `json:"amount" doc:"below zero: taken"`
	Balance    int64           `json:"balance" doc:"after it"`
	Reason     string          `json:"reason" enum:"late,returned,spent,operator,refund"`
	SessionID  core.SessionID  `json:"session_id,omitzero"`
	PaymentID  core.PaymentID  `json:"payment_id,omitzero"`
	OperatorID core.OperatorID `json:"operator_id,omitzero"`
	Note       string          `json:"note,omitzero"`
	At         int64           `json:"at"`
}

func creditOf(x admin.Credit) credit {
	return credit{x.ID, x.Amount, x.Balance, x.Reason, x.SessionID, x.PaymentID, x.OperatorID, x.Note, millis(x.At)}
}

type ledger struct {
	Balance    int64    `json:"balance"`
	Items      []credit `json:"items"`
	NextCursor *string  `json:"next_cursor"`
}

type creditsOf struct {
	paging
	customerID
}

func (c *console) credits(ctx context.Context, _ *rest.Call, in creditsOf) (ledger, error) {
	told, err := c.admin.Ledger(ctx, in.ID, in.page())
	page := listOf(told.List, creditOf)
	return ledger{Balance: told.Balance, Items: page.Items, NextCursor: page.NextCursor}, err
}

type creditGift struct {
	customerID
	Amount int64   `json:"amount" min:"-100000000" max:"100000000" doc:"rupiah; below zero takes"`
	Note   *string `json:"note" max:"500"`
}

func (c *console) giveCredit(ctx context.Context, call *rest.Call, in creditGift) (credit, error) {
	note := ""
	if in.Note != nil {
		note = *in.Note
	}
	given, err := c.admin.GiveCredit(ctx, call.Who, in.ID, in.Amount, note)
	return creditOf(given), err
}
