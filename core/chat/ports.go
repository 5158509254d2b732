package chat

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Store owns each use case's transaction: lock, check by the transition table, update, record in session_events, write
// the events to the outbox, commit. Errors carry NOT_FOUND (also for somebody else's session), WRONG_STATE as a
// StateError, UNAVAILABLE when the store is out.
type Store interface {
	// Live reads the live sessions of a user (by customer or by mitra), oldest first. Concurrent calls are
	// gathered into one statement.
	Live(ctx context.Context, who core.Principal) ([]Session, error)
	// End ends an active session for one of its two sides. Ending what that end already ended gives the session again.
	End(ctx context.Context, id core.SessionID, by core.Principal, note string) (Session, error)
	// Reroute takes an active or pending_payment session from its mitra, for one of its sides or an operator: it searches anew,
	// that mitra is never asked again, what is paid of it is kept. One that was rerouted and searches is given as it is.
	Reroute(ctx context.Context, id core.SessionID, by core.Principal, note string) (Session, error)
	// Extend adds minutes to an active session: at once when the package is free, else when the invoice that it writes is paid.
	// A replay of the key gives the session's current state. EXTENSION_PENDING, PACKAGE_UNAVAILABLE, KEY_REUSED.
	Extend(ctx context.Context, e Extension) (Session, error)
	// Packages lists what is on sale, cheapest first.
	Packages(ctx context.Context) ([]Package, error)
}

// Extension is a customer's wish to talk on.
type Extension struct {
	SessionID  core.SessionID
	CustomerID core.CustomerID
	PackageID  core.PackageID
	Key        string // the client's idempotency key, 1 to 64 characters
}

// Deadlines are the due times in Postgres that concern a session with a mitra. All are idempotent: guarded by status and by the
// deadline itself, on Postgres's clock, so that any number of instances may call them for the same session.
type Deadlines interface {
	// Due lists sessions (searching ones too) whose next deadline has passed, earliest first, and when the next one
	// after them will be due (zero: none). wait is how long until then by Postgres's clock.
	Due(ctx context.Context, limit int) (due []Due, wait time.Duration, err error)
	// Expire ends an active session whose ends_at has passed, reason expired.
	Expire(ctx context.Context, id core.SessionID) error
	// WarnEnding sets ending_soon on an active session that ends within a minute.
	WarnEnding(ctx context.Context, id core.SessionID) error
	// PaymentTimeout cancels a pending_payment session whose payment deadline has passed.
	PaymentTimeout(ctx context.Context, id core.SessionID) error
}

// Due is a session whose deadline has passed.
type Due struct {
	ID     core.SessionID
	Status Status
	// Warn: active, and only the warning before the end is due.
	Warn bool
}

// Absences finds sessions whose mitra may be gone, by Postgres's clock.
type Absences interface {
	// Absent lists held sessions of whose mitra Postgres has heard nothing for that long.
	Absent(ctx context.Context, after time.Duration) ([]Absence, error)
	// RerouteAbsent reroutes one of them, if all of it still holds under lock. false: it does not.
	RerouteAbsent(ctx context.Context, a Absence, after time.Duration) (bool, error)
}

// Absence is a session and its mitra, who may be gone.
type Absence struct {
	Session core.SessionID
	Mitra   core.MitraID
}

// Heartbeats knows who showed life lately (core/presence).
type Heartbeats interface {
	// Silence tells for how long nothing was heard of each mitra; one of whom there is no trace is left out. sure is false while that
	// proves nothing, since something happened lately that makes heartbeats look old.
	Silence(ctx context.Context, mitras []core.MitraID) (silence map[core.MitraID]time.Duration, sure bool, err error)
}

// Searches is told of searching sessions whose wave or search deadline has passed (core/pairing).
type Searches interface {
	Due(ctx context.Context, id core.SessionID) error
}
