package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// The stores own a transaction each call: the change, what follows from it, and its line in the audit log, signed by the operator
// by. A call that changes nothing writes no line. All answer UNAVAILABLE when the store is out, besides the codes named; an
// id of nothing is NOT_FOUND.

// Operators are the users of the control center.
type Operators interface {
	Operators(ctx context.Context, span Span) ([]Operator, error)
	// AddOperator makes a user. CONFLICT when the address is taken.
	AddOperator(ctx context.Context, by core.OperatorID, o NewOperator, hash string) (Operator, error)
	// ChangeOperator revokes the user's auth sessions when its role changed or it is not active any more. CONFLICT when no
	// active admin would be left.
	ChangeOperator(ctx context.Context, by, id core.OperatorID, change OperatorChange) (Operator, error)
	// SetPassword ends a lockout, too, and revokes the user's auth sessions but one.
	SetPassword(ctx context.Context, by, id core.OperatorID, hash string, but core.AuthSessionID) error
}

// Mitras are the mitras' accounts.
type Mitras interface {
	Mitras(ctx context.Context, filter MitraFilter, span Span) ([]Mitra, error)
	Mitra(ctx context.Context, id core.MitraID) (Mitra, error)
	// AddMitra makes one. CONFLICT when the phone is a mitra's.
	AddMitra(ctx context.Context, by core.OperatorID, m NewMitra) (Mitra, error)
	ChangeMitra(ctx context.Context, by core.OperatorID, id core.MitraID, change MitraChange) (Mitra, error)
	StatusLog(ctx context.Context, id core.MitraID, span Span) ([]StatusEntry, error)
}

// Duty takes mitras out of work and lets them in again.
type Duty interface {
	Activate(ctx context.Context, by core.OperatorID, id core.MitraID) (Mitra, error)
	// Deactivate does all that the package comment says.
	Deactivate(ctx context.Context, by core.OperatorID, id core.MitraID) (Deactivation, error)
	TakeOffline(ctx context.Context, by core.OperatorID, id core.MitraID) (Mitra, error)
}

// Customers are the customers' accounts.
type Customers interface {
	Customers(ctx context.Context, search Search, span Span) ([]Customer, error)
	Customer(ctx context.Context, id core.CustomerID) (Customer, error)
}

// SignOuts end auth sessions.
type SignOuts interface {
	// SignOut revokes all auth sessions of a user and tells how many.
	SignOut(ctx context.Context, by core.OperatorID, kind core.UserType, id core.UserID) (int, error)
}

// Sessions are the chat sessions.
type Sessions interface {
	Sessions(ctx context.Context, filter SessionFilter, span Span) ([]Session, error)
	Story(ctx context.Context, id core.SessionID) (Story, error)
	// EndSession is WRONG_STATE when the session is over for another reason.
	EndSession(ctx context.Context, by core.OperatorID, id core.SessionID, note string) (Session, error)
	// RerouteSession is WRONG_STATE when the session has no mitra, unless it was rerouted and searches.
	RerouteSession(ctx context.Context, by core.OperatorID, id core.SessionID, note string) (Session, error)
}

// Catalogue is what can be bought.
type Catalogue interface {
	Packages(ctx context.Context, span Span) ([]Package, error)
	AddPackage(ctx context.Context, by core.OperatorID, p Package) (Package, error)
	ChangePackage(ctx context.Context, by core.OperatorID, id core.PackageID, change PackageChange) (Package, error)
}

// StoredSetting is a row of app_config as it is.
type StoredSetting struct {
	Key       string
	Value     json.RawMessage
	UpdatedBy core.OperatorID
	UpdatedAt time.Time
}

// Config is app_config.
type Config interface {
	Settings(ctx context.Context) ([]StoredSetting, error)
	// PutSetting holds here at once.
	PutSetting(ctx context.Context, by core.OperatorID, key string, value json.RawMessage) (StoredSetting, error)
}

// Audit is the log of what operators changed.
type Audit interface {
	AuditLog(ctx context.Context, filter AuditFilter, span Span) ([]AuditEntry, error)
}

// Stores are all of them; one type may be several.
type Stores struct {
	Operators Operators
	Mitras    Mitras
	Duty      Duty
	Customers Customers
	SignOuts  SignOuts
	Sessions  Sessions
	Catalogue Catalogue
	Config    Config
	Money     Money
	Audit     Audit
	Numbers   Numbers
}

// Passwords keeps bcrypt in few places at once, so that sockets keep the cores (core/auth).
type Passwords interface {
	// HashPassword checks a new password and hashes it. BAD_MESSAGE of password, OVERLOADED, UNAVAILABLE.
	HashPassword(ctx context.Context, password string) (string, error)
	// ConfirmPassword holds an operator to its password once more; it counts like a log-in. FORBIDDEN of current_password,
	// RATE_LIMITED, NOT_FOUND, OVERLOADED, UNAVAILABLE.
	ConfirmPassword(ctx context.Context, operator core.OperatorID, password string) error
}
