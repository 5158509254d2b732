package push

import (
	"context"
	"errors"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Devices keeps who can be reached where.
type Devices interface {
	// SaveDevice makes the device the user's, one of the newest MaxDevices; a token that belonged to somebody else moves.
	// UNAVAILABLE.
	SaveDevice(ctx context.Context, d Device) error
}

// Device is one installation of an app.
type Device struct {
	UserType core.UserType
	UserID   core.UserID
	Session  core.AuthSessionID // the sign-in that registered it: its end is the device's end
	Token    string             // opaque, the vendor's
	Platform Platform
}

// Queue is the pushes that are to be sent, on Postgres's clock. All methods may be called on any number of instances at once.
type Queue interface {
	// TakeOffers makes pushes of at most limit offers that are due for one, each once, and tells how many it took.
	// wait: until the next one is due; 0: none is.
	TakeOffers(ctx context.Context, limit int) (taken int, wait time.Duration, err error)
	// Claim gives at most limit pushes that are due, longest first, to this caller alone for as long as hold; unless they
	// are settled until then, they are due again. Those that nobody wants any more are dropped.
	Claim(ctx context.Context, limit int, hold time.Duration) ([]Push, error)
	// Settle writes down what became of claimed pushes, all of it or nothing. To repeat it is harmless.
	Settle(ctx context.Context, outcome Outcome) error
}

// Push is one push to one device, claimed.
type Push struct {
	ID        int64
	Kind      Kind
	UserID    core.UserID
	OfferID   core.OfferID   // of an Offer
	SessionID core.SessionID // of everything that is about a session
	Token     string
	Platform  Platform
	ExpiresAt time.Time
	Left      time.Duration // until then, when it was claimed
	Attempt   int           // 1 is the first
}

// Outcome is what became of claimed pushes.
type Outcome struct {
	Done  []int64  // not to be sent any more
	Later []Later  // to be tried again
	Dead  []string // tokens that reach nobody and never will again
}

// Later is a push that is to be tried again.
type Later struct {
	ID    int64
	After time.Duration
}

func (o Outcome) empty() bool { return len(o.Done)+len(o.Later)+len(o.Dead) == 0 }

// Sender is a vendor.
type Sender interface {
	// Send hands one message to the vendor; nil: taken. ErrDeadToken, *RefusedError, *BusyError; any other error is one whose
	// cause may pass. It may be called concurrently and ends with ctx.
	Send(ctx context.Context, m Message) error
}

// ErrDeadToken says that a token reaches nobody, and never will again; inside of a RefusedError, that a person should know.
var ErrDeadToken = errors.New("the push token is dead")

// BusyError is a vendor that wants to be asked again later.
type BusyError struct {
	After time.Duration // at the earliest
	Err   error
}

// Error is the cause's text.
func (e *BusyError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *BusyError) Unwrap() error { return e.Err }

// RefusedError is a message that the vendor will not take however often it is asked: the fault may be in our settings or our
// message, and a person has to look at it. The token is kept, unless it wraps ErrDeadToken.
type RefusedError struct {
	Reason string // the vendor's word, the same for all messages with the same fault
	Err    error
}

// Error is reason and cause.
func (e *RefusedError) Error() string { return e.Reason + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }
