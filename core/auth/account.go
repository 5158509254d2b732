package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	maxName   = 80
	fillBatch = 1000
	maxFill   = 1_000_000
)

// Account is a user as it may see itself.
type Account struct {
	Type        core.UserType
	ID          core.UserID
	Role        core.Role // an operator's
	DisplayName string
	Phone       string // E.164; empty: none
	Email       string // empty: none
	Anonymous   bool   // a customer without any identity: it is lost with its refresh token
	Active      bool   // false: deactivated, signs in nowhere
	CreatedAt   time.Time
}

// IdentityKind says by what somebody proved who they are.
type IdentityKind string

// The kinds.
const (
	ByPhone  IdentityKind = "phone"  // a phone code
	ByGoogle IdentityKind = "google" // an ID token of Google's
	ByApple  IdentityKind = "apple"  // one of Apple's
)

// Identity is a proof that was checked: it belongs to at most one account of an app.
type Identity struct {
	Kind  IdentityKind
	Value string       // the phone in E.164, or the provider's sub
	Email string       // verified by the provider, to be shown; never looked up by. Empty: none
	Apple *SealedToken // with ByApple: what is to be revoked when the account goes; nil: none
}

// Device is where a request comes from, for the list of a user's sessions and for limits.
type Device struct {
	IP        netip.Addr
	UserAgent string
}

// origin is what limits count by: an IPv4 address, or the /64 of an IPv6 one, since a household has that many. All requests whose
// address is not known share one.
func (d Device) origin() netip.Addr {
	ip := d.IP.Unmap().WithZone("")
	if !ip.IsValid() {
		return netip.IPv4Unspecified()
	}
	if ip.Is6() {
		prefix, _ := ip.Prefix(64) // never fails: 64 fits
		return prefix.Addr()
	}
	return ip
}

// Tokens is what a sign-in or a refresh gives.
type Tokens struct {
	Access          string
	AccessExpiresAt time.Time
	Refresh         string
	EndsAt          time.Time // of the auth session, however often it is refreshed
	Account         Account
}

// SignInAnonymous makes a customer without any identity. OVERLOADED, UNAVAILABLE.
func (s *Service) SignInAnonymous(ctx context.Context, from Device) (Tokens, error) {
	session, refresh, err := s.newSession(ctx, core.Customer, from)
	if err != nil {
		return Tokens{}, err
	}
	account, err := s.deps.Accounts.SignUp(ctx, session)
	if err != nil {
		return Tokens{}, err
	}
	s.stats.signIns.Add(1)
	return s.pair(account, session.ID, refresh, s.deps.Clock().Add(session.TTL))
}

// Me reads the account behind a principal. NOT_FOUND when it is gone, UNAVAILABLE.
func (s *Service) Me(ctx context.Context, who core.Principal) (Account, error) {
	return s.deps.Accounts.Account(ctx, who.Type, who.ID)
}

// pair puts a signed access token beside a refresh token. The access token never outlives the auth session.
func (s *Service) pair(account Account, session core.AuthSessionID, refresh string, until time.Time) (Tokens, error) {
	access, expires, err := s.signer.sign(core.Principal{
		Type: account.Type, ID: account.ID, Role: account.Role, Session: session, ExpiresAt: until,
	})
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, AccessExpiresAt: expires, Refresh: refresh, EndsAt: until, Account: account}, nil
}

// SeedMitra makes, or finds by its phone, a mitra for a test, and signs it in. BAD_MESSAGE of phone or display_name, CONFLICT when the phone
// is a real mitra's, NOT_FOUND when there are no test accounts here, OVERLOADED, UNAVAILABLE.
func (s *Service) SeedMitra(ctx context.Context, phone, name string, from Device) (Tokens, error) {
	if s.deps.Tests == nil {
		return Tokens{}, core.Errorf(core.NotFound, "test accounts are off")
	}
	number, err := NormalizePhone(phone)
	if err != nil {
		return Tokens{}, err
	}
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return Tokens{}, core.FieldError("display_name", "must be 1 to %d characters", maxName)
	}
	session, refresh, err := s.newSession(ctx, core.Mitra, from)
	if err != nil {
		return Tokens{}, err
	}
	account, err := s.deps.Tests.SeedMitra(ctx, number, name, session)
	if err != nil {
		return Tokens{}, err
	}
	return s.pair(account, session.ID, refresh, s.deps.Clock().Add(session.TTL))
}

// IssueFor makes count test users and gives an access token of each. Their refresh tokens do not exist. BAD_MESSAGE for a user
// type without test users or a count that is not from 1 to 1,000,000, NOT_FOUND when there are no test accounts here, UNAVAILABLE.
func (s *Service) IssueFor(ctx context.Context, user core.UserType, count int) ([]string, error) {
	switch {
	case s.deps.Tests == nil:
		return nil, core.Errorf(core.NotFound, "test accounts are off")
	case user != core.Customer && user != core.Mitra:
		return nil, core.FieldError("user_type", "must be %s or %s", core.Customer, core.Mitra)
	case count < 1 || count > maxFill:
		return nil, core.FieldError("count", "must be from 1 to %d", maxFill)
	}
	tokens := make([]string, 0, count)
	for len(tokens) < count {
		sessions, phones, err := s.fillers(user, min(fillBatch, count-len(tokens)))
		if err != nil {
			return nil, err
		}
		made, err := s.deps.Tests.Fill(ctx, user, sessions, phones)
		if err != nil {
			return nil, err
		}
		for _, row := range made {
			pair, err := s.pair(row.Account, row.ID, "", s.deps.Clock().Add(s.lives[user].total))
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, pair.Access)
		}
	}
	return tokens, nil
}

// fillers draws sessions and phones for test users. Their hash is no bcrypt hash, so that no secret matches, and nobody pays for
// hashing by the thousand.
func (s *Service) fillers(user core.UserType, n int) ([]NewSession, []string, error) {
	life := s.lives[user]
	sessions, phones := make([]NewSession, n), make([]string, n)
	for i := range sessions {
		sessions[i] = NewSession{ID: core.NewID[core.AuthSessionID](), Salt: make([]byte, saltBytes), Hash: "none", TTL: life.total, Idle: life.idle}
		rand.Read(sessions[i].Salt) // never fails (crypto/rand)
		number, err := rand.Int(rand.Reader, big.NewInt(1_000_000_000))
		if err != nil {
			return nil, nil, core.Wrap(core.Internal, fmt.Errorf("draw a phone: %w", err))
		}
		phones[i] = fmt.Sprintf("+62899%09d", number)
	}
	return sessions, phones, nil
}
