package payment

import (
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Status is where a payment is in its life.
type Status string

// The seven statuses.
const (
	Opening   Status = "opening"   // the vendor has not answered yet
	Open      Status = "open"      // it can be paid
	Paid      Status = "paid"      // the money is here, perhaps as credit
	Expired   Status = "expired"   // a deadline passed
	Cancelled Status = "cancelled" // nobody needs it any more
	Failed    Status = "failed"    // the vendor refused it or gave it up
	Refunded  Status = "refunded"  // an operator gave all of it back
)

// transitions is the one table of what may follow what. Late money leads from the closed ones to Paid.
var transitions = map[Status][]Status{
	Opening:   {Open, Paid, Expired, Cancelled, Failed},
	Open:      {Paid, Expired, Cancelled, Failed},
	Expired:   {Paid},
	Cancelled: {Paid},
	Failed:    {Paid},
	Paid:      {Refunded},
}

// May tells whether a payment may go from one status to the other.
func May(from, to Status) bool { return slices.Contains(transitions[from], to) }

// Waits tells whether the payment can still be paid in time.
func (s Status) Waits() bool { return s == Opening || s == Open }

// Currency is the only one there is.
const Currency = "IDR"

// Payment is one invoice.
type Payment struct {
	ID          core.PaymentID
	SessionID   core.SessionID
	ExtensionID core.ExtensionID // none: it is the session's own
	CustomerID  core.CustomerID
	Amount      int64 // rupiah
	Status      Status
	Provider    string
	ProviderID  string // the vendor's session
	CheckoutURL string
	ExpiresAt   time.Time // ours
	PaidAt      time.Time
	CreatedAt   time.Time
	Charge      string // the vendor's id of the money, which a refund names
	Failure     string // what the vendor said last
	Attempts    int    // of the present step
	Overdue     bool   // ExpiresAt has passed, by Postgres's clock
}

// CreditReason says why a customer's credit changed.
type CreditReason string

// The reasons.
const (
	Late     CreditReason = "late"     // money that nothing waited for any more
	Returned CreditReason = "returned" // put into a session that came to nothing, or talk that was not given
	Spent    CreditReason = "spent"    // on a session
	ByHand   CreditReason = "operator" // given or taken by an operator
	PaidBack CreditReason = "refund"   // given back through the vendor
)
