package payment

import (
	"context"
	"errors"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// RefundStatus is where a refund is in its life.
type RefundStatus string

// A refund is pending until the vendor says how it went.
const (
	RefundPending   RefundStatus = "pending"
	RefundSucceeded RefundStatus = "succeeded"
	RefundFailed    RefundStatus = "failed"
)

// Refund is money of a payment that goes back to who paid it.
type Refund struct {
	ID         core.RefundID
	PaymentID  core.PaymentID
	Amount     int64
	FromCredit int64 // of the amount: it had become the customer's credit, and is taken out of it
	Status     RefundStatus
	Reason     string
	OperatorID core.OperatorID
	ProviderID string
	Charge     string
	Failure    string
	Attempts   int
	CreatedAt  time.Time
	ClosedAt   time.Time
}

// RefundRequest is an operator's wish.
type RefundRequest struct {
	Payment  core.PaymentID
	Operator core.OperatorID
	Amount   int64 // 0: all that was not given back yet
	Reason   string
}

// Refunds owns the transactions of refunds.
type Refunds interface {
	// Begin writes the refund, takes out of the customer's credit what of the money is there, and books the rest as the operator's
	// credit. NOT_FOUND; BAD_MESSAGE of amount when it is more than is left; CONFLICT when the payment is not paid, another refund
	// is pending, or the customer has spent the credit.
	Begin(ctx context.Context, r RefundRequest) (Refund, error)
	// Claim leases pending refunds whose work is due.
	Claim(ctx context.Context, limit int) ([]Refund, error)
	// Settled writes how it went; one that failed gives the credit back. Guarded by its status.
	Settled(ctx context.Context, id core.RefundID, state RefundState) error
	// Postpone has it tried, or asked after, again later.
	Postpone(ctx context.Context, id core.RefundID, wait time.Duration, failure string) error
}

// Credits is the ledger as operators see it.
type Credits interface {
	// Ledger reads a customer's balance and its entries below before (0: the newest), newest first. NOT_FOUND.
	Ledger(ctx context.Context, customer core.CustomerID, before int64, limit int) (balance int64, entries []CreditEntry, err error)
	// Give changes a customer's credit by hand. NOT_FOUND, CONFLICT when there is less than is to be taken.
	Give(ctx context.Context, by core.OperatorID, customer core.CustomerID, amount int64, note string) (CreditEntry, error)
}

// MaxNote bounds what an operator may say, in characters.
const MaxNote = 500

// MaxCredit bounds what an operator may give or take at once, in rupiah.
const MaxCredit = 100_000_000

// Refund orders a refund; the vendor is asked at once by Run. The codes of Refunds.Begin, UNAVAILABLE.
func (s *Service) Refund(ctx context.Context, r RefundRequest) (Refund, error) {
	if r.Amount < 0 {
		return Refund{}, core.FieldError("amount", "must be above zero")
	}
	r.Reason = core.FirstChars(r.Reason, MaxNote)
	return s.stores.Refunds.Begin(ctx, r)
}

// Ledger reads a customer's credit. NOT_FOUND, UNAVAILABLE.
func (s *Service) Ledger(ctx context.Context, customer core.CustomerID, before int64, limit int) (int64, []CreditEntry, error) {
	return s.stores.Credits.Ledger(ctx, customer, before, limit)
}

// GiveCredit changes a customer's credit by hand; an amount below zero takes. BAD_MESSAGE naming the field, NOT_FOUND, CONFLICT when
// there is less than is to be taken, UNAVAILABLE.
func (s *Service) GiveCredit(ctx context.Context, by core.OperatorID, customer core.CustomerID, amount int64, note string) (CreditEntry, error) {
	if amount == 0 || amount > MaxCredit || amount < -MaxCredit {
		return CreditEntry{}, core.FieldError("amount", "must be from -%d to %d rupiah, and not 0", MaxCredit, MaxCredit)
	}
	return s.stores.Credits.Give(ctx, by, customer, amount, core.FirstChars(note, MaxNote))
}

func (s *Service) refundRound(ctx context.Context) error {
	refunds, err := s.stores.Refunds.Claim(ctx, workBatch)
	for _, r := range refunds {
		s.noted(ctx, "refund", r.ID.String(), s.workRefund(ctx, r))
	}
	return err
}

// workRefund orders a refund at the vendor, or asks how it stands.
func (s *Service) workRefund(ctx context.Context, r Refund) error {
	call, done := context.WithTimeout(ctx, CallTimeout)
	defer done()
	state, err := s.provider.Refund(call, RefundOrder{Reference: r.ID, ID: r.ProviderID, Charge: r.Charge, Amount: r.Amount})
	switch {
	case errors.Is(err, ErrRefused) || core.CodeOf(err) == core.NotFound:
		state = RefundState{ID: r.ProviderID, Failure: err.Error()}
	case err != nil:
		s.retried.Add(1)
		if postponed := s.stores.Refunds.Postpone(ctx, r.ID, pauseAfter(r.Attempts, err), err.Error()); postponed != nil {
			return postponed
		}
		return err
	}
	s.refunds.Add(1)
	if state.Failure != "" {
		s.alarm(ctx, "a refund failed", "refund", r.ID, "payment", r.PaymentID, "failure", state.Failure)
	}
	return s.stores.Refunds.Settled(ctx, r.ID, state)
}
