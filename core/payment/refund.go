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
	Status     RefundStatus
	ProviderID string // the vendor's, once it has the order
	Charge     string // of the payment
	Attempts   int
}

// Refunds owns the transactions of refunds that operators ordered.
type Refunds interface {
	// Claim leases pending refunds whose work is due.
	Claim(ctx context.Context, limit int) ([]Refund, error)
	// Settled writes how it went; one that failed gives the credit back. Guarded by its status.
	Settled(ctx context.Context, id core.RefundID, state RefundState) error
	// Postpone has it tried, or asked after, again later.
	Postpone(ctx context.Context, id core.RefundID, wait time.Duration, failure string) error
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
