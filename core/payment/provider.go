package payment

import (
	"context"
	"errors"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Provider is the vendor that takes the money: payment/xendit, or payment/sandbox for development. Its methods take at most CallTimeout
// and are safe to repeat. Their errors are PAYMENT_UNAVAILABLE when the vendor did not answer, or asked to come back
// (RetryAfter), NOT_FOUND for an id that it does not know, ErrRefused when it will never do what was asked.
type Provider interface {
	// Name stands in payments.provider.
	Name() string
	// Open makes a session that can be paid. The same reference again gives the same session where the vendor can tell.
	Open(ctx context.Context, i Invoice) (Checkout, error)
	// Look reads how a session stands.
	Look(ctx context.Context, id string) (Checkout, error)
	// Cancel ends a session that is still active and tells how it stands then: it may have been paid before.
	Cancel(ctx context.Context, id string) (Checkout, error)
	// Refund gives money back. The same refund again is the same.
	Refund(ctx context.Context, r RefundOrder) (RefundState, error)
}

// CallTimeout bounds one call to the vendor.
const CallTimeout = 10 * time.Second

// ErrRefused says that the vendor will not do it, however often it is asked. Its cause has the vendor's words.
var ErrRefused = errors.New("refused by the vendor")

// Invoice is what a session at the vendor is to be.
type Invoice struct {
	Reference   core.PaymentID
	Amount      int64
	Description string
	ExpiresAt   time.Time // at least; later than our own deadline, which cancels
}

// State is how a session at the vendor stands.
type State string

// The five states. Only an Active one can be paid.
const (
	Active          State = "active"
	Completed       State = "completed"
	SessionExpired  State = "expired"
	SessionCanceled State = "cancelled"
	SessionFailed   State = "failed"
)

// Checkout is a session at the vendor.
type Checkout struct {
	ID        string
	Reference core.PaymentID
	State     State
	URL       string
	ExpiresAt time.Time
	Amount    int64
	Currency  string
	Charge    string // the vendor's id of the money, once Completed, if it tells
	Request   string // what a refund names, likewise
}

// Notice is what a vendor says about one of its sessions, unasked.
type Notice struct {
	Checkout
	Event string // the vendor's word
	Named string // the reference as it stands there, ours or not
	// Hint: the notice itself proves nothing, but the session may have changed.
	Hint bool
	// Refund is set when it is about one, which is asked after then.
	Refund core.RefundID
}

// RefundOrder is money to be given back.
type RefundOrder struct {
	Reference core.RefundID
	ID        string // the vendor's, when it has the order already
	Charge    string // Checkout.Request of the money
	Amount    int64
}

// RefundState is how a refund stands at the vendor.
type RefundState struct {
	ID      string
	Pending bool
	Failure string // "": it succeeded, unless it is pending
}
