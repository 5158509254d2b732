package auth

import (
	"context"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/halobestie/bestie-gateway/core"
)

// Rename sets a customer's display name; empty for none. BAD_MESSAGE of display_name, NOT_FOUND, UNAVAILABLE.
func (s *Service) Rename(ctx context.Context, who core.Principal, name string) (Account, error) {
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > maxName {
		return Account{}, core.FieldError("display_name", "must have at most %d characters", maxName)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) }) {
		return Account{}, core.FieldError("display_name", "must be plain text of one line")
	}
	return s.deps.Customers.Rename(ctx, who.Customer(), name)
}

// DeleteAccount deletes a customer's account for good. What identified it is gone: names, identities, devices, codes, what it wrote; its
// live session is over (account_deleted); it is signed out everywhere; Apple is told. What the law wants kept, payments and that sessions
// took place, stays under an id that is nobody's. Once more changes nothing. UNAVAILABLE.
func (s *Service) DeleteAccount(ctx context.Context, who core.Principal) error {
	revoked, err := s.deps.Customers.Delete(ctx, who.Customer())
	if err != nil {
		return err
	}
	s.Deny(Revoked{Sessions: revoked})
	select {
	case s.orphaned <- struct{}{}:
	default:
	}
	return nil
}

// Export reads everything that is kept about a customer. NOT_FOUND, UNAVAILABLE.
func (s *Service) Export(ctx context.Context, who core.Principal) (Export, error) {
	return s.deps.Customers.Export(ctx, who.Customer())
}

// Export is everything that is kept about a customer, and of mitras no more than the customer saw.
type Export struct {
	At           time.Time
	Account      Account
	Google       string // its sub there; empty: none
	Apple        string
	AuthSessions []ExportedAuthSession
	Devices      []ExportedDevice
	Codes        []ExportedCode
	Sessions     []ExportedSession
	Steps        []ExportedStep
	Payments     []ExportedPayment
	Refunds      []ExportedRefund
	Credits      []ExportedCredit
}

// ExportedAuthSession is a signed-in device.
type ExportedAuthSession struct {
	ID         core.AuthSessionID
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time // zero: it is not
	UserAgent  string
	IP         netip.Addr // zero: not known
}

// ExportedDevice is where pushes go.
type ExportedDevice struct {
	Platform  string
	Token     string
	CreatedAt time.Time
}

// ExportedCode is a phone code that was asked for.
type ExportedCode struct {
	Phone     string
	CreatedAt time.Time
	UsedAt    time.Time // zero: it was not
	IP        netip.Addr
}

// ExportedSession is a talk.
type ExportedSession struct {
	ID        core.SessionID
	Status    string
	Minutes   int
	Price     int64
	Note      string
	MitraID   core.MitraID // zero: none
	MitraName string
	CreatedAt time.Time
	StartedAt time.Time
	EndedAt   time.Time
	EndReason string
}

// ExportedStep is a step of a talk's life.
type ExportedStep struct {
	Session core.SessionID
	Status  string // that it led to
	By      string // customer, mitra, cc_user, system
	Reason  string
	Note    string // what the customer wrote; of what others wrote nothing
	At      time.Time
}

// ExportedPayment is a payment.
type ExportedPayment struct {
	ID        core.PaymentID
	Session   core.SessionID
	Amount    int64
	Currency  string
	Status    string
	CreatedAt time.Time
	PaidAt    time.Time
}

// ExportedRefund is money of a payment that was given back, or is on its way.
type ExportedRefund struct {
	Payment  core.PaymentID
	Amount   int64
	Status   string
	At       time.Time
	ClosedAt time.Time // zero: it is on its way
}

// ExportedCredit is a line of the ledger of the customer's credit.
type ExportedCredit struct {
	Amount  int64
	Balance int64 // after it
	Reason  string
	At      time.Time
}

// LogoutAll signs a user out on all devices, the one that asks included. UNAVAILABLE.
func (s *Service) LogoutAll(ctx context.Context, who core.Principal) error {
	return s.RevokeAll(ctx, who.ID, LoggedOut)
}
