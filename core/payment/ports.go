package payment

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Lease is how long a claimed piece of work is left to who claimed it: longer than a call to the vendor may take.
const Lease = 3 * CallTimeout

// Invoices owns the transactions of invoices on their way. All are guarded by the payment's status. UNAVAILABLE when the
// store is out, besides the codes named.
type Invoices interface {
	// Claim leases payments whose work is due, at most limit, the longest due first.
	Claim(ctx context.Context, limit int) ([]Payment, error)
	// Invoice finds what a customer has to pay for a session: the unpaid extension, else the session itself, with a new invoice
	// when the last one is closed and the session still waits. claimed: it is to be opened, by the caller. NOT_FOUND,
	// WRONG_STATE when there is nothing to pay.
	Invoice(ctx context.Context, session core.SessionID, by core.CustomerID) (p Payment, claimed bool, err error)
	// Opened writes what the vendor opened, and tells the customer. false: the payment has no use for it, and does not name it.
	Opened(ctx context.Context, id core.PaymentID, provider string, c Checkout) (Payment, bool, error)
	// Postpone has the present step tried again later, or at once if it was made due while it was worked on. failure is what went
	// wrong, "" for nothing.
	Postpone(ctx context.Context, id core.PaymentID, wait time.Duration, failure string) error
	// Rest says that nothing is to be done for a payment any more, while it stays closed.
	Rest(ctx context.Context, id core.PaymentID) error
	// Lapse closes a payment that still waits, and its extension with it. providerID is the vendor's session that is over;
	// "": the payment itself failed, or its deadline has passed.
	Lapse(ctx context.Context, id core.PaymentID, providerID string, to Status, failure string) (Outcome, error)
}

// Outcome is what came of a notice.
type Outcome string

// The outcomes.
const (
	Started    Outcome = "started"           // the session is active
	Kept       Outcome = "kept"              // the session searches, and its next accept starts it
	Extended   Outcome = "extended"          // the session has its minutes
	Credited   Outcome = "credited"          // nothing waited for the money
	Repeated   Outcome = "repeated"          // it was known already
	Closed     Outcome = "closed"            // the payment waits no more
	Ignored    Outcome = "ignored"           // none of ours, or nothing to do
	Looked     Outcome = "looked"            // the vendor is asked
	Mismatch   Outcome = "mismatch"          // amount or currency are not the invoice's
	Unknown    Outcome = "unknown_reference" // no such payment
	Unreadable Outcome = "unreadable"        // not what the vendor documents
)

// Alarming tells whether a person should look at it.
func (o Outcome) Alarming() bool { return o == Mismatch || o == Unknown || o == Unreadable }

// Receipt is money that arrived.
type Receipt struct {
	Payment    core.PaymentID
	Provider   string
	ProviderID string
	Charge     string
	Request    string
	Amount     int64
	Currency   string
	Delivery   DeliveryID // that told of it, if one did: it gets its outcome in the same transaction
}

// Till takes money in.
type Till interface {
	// Settle gives money its effect, once.
	Settle(ctx context.Context, r Receipt) (Outcome, error)
}

// DeliveryID names a webhook's delivery.
type DeliveryID = core.ID[deliveryKind]

type deliveryKind struct{}

// Delivery is a webhook's request.
type Delivery struct {
	ID        DeliveryID
	Provider  string
	Delivery  string
	Event     string
	Reference string
	PaymentID core.PaymentID
	Body      []byte
}

// Deliveries keeps every one of them, as it came.
type Deliveries interface {
	Keep(ctx context.Context, d Delivery) error
	// Handled writes a delivery's outcome, unless it has one.
	Handled(ctx context.Context, id DeliveryID, outcome Outcome) error
	// Unhandled leases deliveries without an outcome that are older than age.
	Unhandled(ctx context.Context, age time.Duration, limit int) ([]Delivery, error)
}

// Reader understands a vendor's webhooks.
type Reader interface {
	// Authentic compares the webhook's token in constant time.
	Authentic(token string) bool
	// Read understands a body. An error: it is not what the vendor documents. A zero Reference: none of ours.
	Read(body []byte) (Notice, error)
}

// Payments reads.
type Payments interface {
	// OfCustomer reads one. NOT_FOUND, also when it is somebody else's.
	OfCustomer(ctx context.Context, id core.PaymentID, by core.CustomerID) (Payment, error)
}
