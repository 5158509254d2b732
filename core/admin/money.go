package admin

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Payment is an invoice as operators see it.
type Payment struct {
	ID          core.PaymentID
	SessionID   core.SessionID
	ExtensionID core.ExtensionID
	CustomerID  core.CustomerID
	Amount      int64
	Status      string
	Provider    string
	ProviderID  string
	CheckoutURL string
	Failure     string
	Refunded    int64 // given back, or on its way
	Credited    int64 // of what arrived: nothing waited for it
	CreatedAt   time.Time
	ExpiresAt   time.Time
	PaidAt      time.Time
}

// PaymentFilter narrows the list; zero fields do not.
type PaymentFilter struct {
	Status   string
	Customer core.CustomerID
	Session  core.SessionID
}

// PaymentStory is a payment with everything that is known of it.
type PaymentStory struct {
	Payment
	Receipts []Receipt
	Refunds  []Refund
	Webhooks []Webhook
}

// Receipt is money that arrived.
type Receipt struct {
	Provider   string
	ProviderID string
	Charge     string
	Amount     int64
	Credited   bool
	At         time.Time
}

// Refund is money that goes back.
type Refund struct {
	ID         core.RefundID
	PaymentID  core.PaymentID
	Amount     int64
	FromCredit int64 // of the amount: it was the customer's credit
	Status     string
	Reason     string
	Failure    string
	OperatorID core.OperatorID
	CreatedAt  time.Time
	ClosedAt   time.Time
}

// Webhook is a delivery that was about the payment.
type Webhook struct {
	Event      string
	Outcome    string // empty: not handled yet
	Body       string
	ReceivedAt time.Time
}

// Credit is a line of a customer's ledger.
type Credit struct {
	ID         int64
	CustomerID core.CustomerID
	Amount     int64 // below zero: taken
	Balance    int64 // after it
	Reason     string
	SessionID  core.SessionID
	PaymentID  core.PaymentID
	OperatorID core.OperatorID
	Note       string
	At         time.Time
}

// Ledger is a customer's balance with a page of what led to it.
type Ledger struct {
	Balance int64
	List[Credit]
}

// RefundOrder is what an operator wants given back.
type RefundOrder struct {
	Payment core.PaymentID
	Amount  int64 // 0: all that was not given back yet
	Reason  string
}

// Money is the payments, refunds and credit.
type Money interface {
	Payments(ctx context.Context, filter PaymentFilter, span Span) ([]Payment, error)
	PaymentStory(ctx context.Context, id core.PaymentID) (PaymentStory, error)
	// OrderRefund writes the refund, takes out of the customer's credit what of the money is there, and books the rest as given by the
	// operator, so that the books stay level. BAD_MESSAGE of amount when it is more than is left; CONFLICT when the payment is
	// not paid, another refund is pending, or the credit is spent.
	OrderRefund(ctx context.Context, by core.OperatorID, order RefundOrder) (Refund, error)
	Credits(ctx context.Context, customer core.CustomerID, span Span) (balance int64, entries []Credit, err error)
	// GiveCredit is CONFLICT when more is to be taken than there is.
	GiveCredit(ctx context.Context, by core.OperatorID, customer core.CustomerID, amount int64, note string) (Credit, error)
}

// MaxCredit bounds what an operator may give or take at once, in rupiah.
const MaxCredit = 100_000_000

// Payments lists payments, newest first. BAD_MESSAGE of the page, UNAVAILABLE.
func (s *Service) Payments(ctx context.Context, filter PaymentFilter, page Page) (List[Payment], error) {
	read := func(ctx context.Context, span Span) ([]Payment, error) {
		return s.stores.Money.Payments(ctx, filter, span)
	}
	return list(ctx, page, Newest, read, func(x Payment) Key { return Key{At: x.CreatedAt, ID: x.ID} })
}

// PaymentStory reads a payment with its receipts, refunds and webhooks. NOT_FOUND, UNAVAILABLE.
func (s *Service) PaymentStory(ctx context.Context, id core.PaymentID) (PaymentStory, error) {
	return s.stores.Money.PaymentStory(ctx, id)
}

// OrderRefund orders a refund, which the vendor is asked for at once. The codes of Money, NOT_FOUND, UNAVAILABLE.
func (s *Service) OrderRefund(ctx context.Context, by core.Principal, order RefundOrder) (Refund, error) {
	order.Reason = core.FirstChars(order.Reason, maxNote)
	return s.stores.Money.OrderRefund(ctx, by.Operator(), order)
}

// Ledger reads a customer's credit, last entry first. NOT_FOUND, BAD_MESSAGE of the page, UNAVAILABLE.
func (s *Service) Ledger(ctx context.Context, customer core.CustomerID, page Page) (Ledger, error) {
	var balance int64
	read := func(ctx context.Context, span Span) (entries []Credit, err error) {
		balance, entries, err = s.stores.Money.Credits(ctx, customer, span)
		return entries, err
	}
	entries, err := list(ctx, page, Latest, read, func(x Credit) Key { return Key{Number: x.ID} })
	return Ledger{Balance: balance, List: entries}, err
}

// GiveCredit changes a customer's credit by hand; an amount below zero takes. BAD_MESSAGE of amount, NOT_FOUND, CONFLICT when there is
// less than is to be taken, UNAVAILABLE.
func (s *Service) GiveCredit(ctx context.Context, by core.Principal, customer core.CustomerID, amount int64, note string) (Credit, error) {
	if amount == 0 || amount > MaxCredit || amount < -MaxCredit {
		return Credit{}, core.FieldError("amount", "must be from -%d to %d rupiah, and not 0", MaxCredit, MaxCredit)
	}
	return s.stores.Money.GiveCredit(ctx, by.Operator(), customer, amount, core.FirstChars(note, maxNote))
}

// RerouteSession looks for another mitra for an active session, or one that waits for its payment. Both sides are told; one that was
// rerouted and searches is given as it is. NOT_FOUND, WRONG_STATE with the session, UNAVAILABLE.
func (s *Service) RerouteSession(ctx context.Context, by core.Principal, id core.SessionID, note string) (Session, error) {
	return s.stores.Sessions.RerouteSession(ctx, by.Operator(), id, core.FirstChars(note, maxNote))
}
