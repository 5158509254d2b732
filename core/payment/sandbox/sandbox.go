// Package sandbox is a payment vendor for development: a page on which one taps Pay, Fail or Expire. It does what a real vendor
// does at its own side, in a table of its own, and tells of it in this process instead of by a webhook.
//
//	Open ─► active ──┬─ Pay ────► completed ─► told
//	                 ├─ Fail ───► failed ────► told
//	                 ├─ Expire ─► expired ───► told
//	                 └─ Cancel (by the gateway) ─► cancelled
//
// When telling fails, the poller finds it, as with a real vendor whose webhook got lost.
package sandbox

import (
	"context"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// Desk keeps the vendor's side. UNAVAILABLE, and NOT_FOUND for an id that is not there.
type Desk interface {
	// Open keeps a session, or finds the one that has its reference.
	Open(ctx context.Context, c payment.Checkout) (payment.Checkout, error)
	// Read finds a session; one whose time is over is expired.
	Read(ctx context.Context, id string) (payment.Checkout, error)
	// Close takes an active session to another state and gives it as it is then. done is false when it was not active.
	Close(ctx context.Context, id string, to payment.State) (c payment.Checkout, done bool, err error)
}

// Name stands in payments.provider.
const Name = "sandbox"

// Sandbox is the vendor. It may be used concurrently.
type Sandbox struct {
	desk Desk
	base func() string
}

var _ payment.Provider = (*Sandbox)(nil)

// New makes the vendor. base gives the address that its page is served at, such as http://127.0.0.1:3000.
func New(desk Desk, base func() string) *Sandbox { return &Sandbox{desk: desk, base: base} }

// Name implements payment.Provider.
func (*Sandbox) Name() string { return Name }

// Open implements payment.Provider.
func (s *Sandbox) Open(ctx context.Context, i payment.Invoice) (payment.Checkout, error) {
	c, err := s.desk.Open(ctx, payment.Checkout{
		ID: idPrefix + strings.ReplaceAll(core.NewID[core.PaymentID]().String(), "-", ""), Reference: i.Reference,
		State: payment.Active, ExpiresAt: i.ExpiresAt.Truncate(time.Microsecond), Amount: i.Amount,
	})
	return s.shown(c), away(err)
}

// idPrefix begins the vendor's ids, so that one is not taken for another thing's.
const idPrefix = "sb-"

// Look implements payment.Provider.
func (s *Sandbox) Look(ctx context.Context, id string) (payment.Checkout, error) {
	c, err := s.desk.Read(ctx, id)
	return s.shown(c), away(err)
}

// Cancel implements payment.Provider.
func (s *Sandbox) Cancel(ctx context.Context, id string) (payment.Checkout, error) {
	c, _, err := s.desk.Close(ctx, id, payment.SessionCanceled)
	return s.shown(c), away(err)
}

// Refund implements payment.Provider: it succeeds at once.
func (s *Sandbox) Refund(_ context.Context, r payment.RefundOrder) (payment.RefundState, error) {
	return payment.RefundState{ID: "sbr-" + r.Reference.String()}, nil
}

// shown adds what is not kept.
func (s *Sandbox) shown(c payment.Checkout) payment.Checkout {
	if c.ID == "" {
		return c
	}
	c.URL = s.base() + Path + c.ID
	c.Currency = payment.Currency
	if c.State == payment.Completed {
		c.Charge, c.Request = "py-"+c.ID, "pr-"+c.ID
	}
	return c
}

// away gives an outage of the desk the code that a vendor's has.
func away(err error) error {
	if core.CodeOf(err) == core.Unavailable {
		return core.Wrap(core.PaymentUnavailable, err)
	}
	return err
}
