package auth

import (
	"context"
	"strings"

	"github.com/halobestie/bestie-gateway/core"
)

// maxEmail is the longest address that mail knows (RFC 5321, section 4.5.3).
const maxEmail = 254

// PasswordTry is a try that was counted before its password is looked at.
type PasswordTry struct {
	Operator core.OperatorID
	Hash     string // bcrypt; empty: nobody has this address
}

// LogIn signs an operator in:
//
//	address ─► is it locked out? ─yes─► RATE_LIMITED with RetryAfter
//	               │ no: the try is counted as a failure, in the same statement
//	               ▼
//	           password right? ─no──► UNAUTHENTICATED
//	               │ yes
//	               ▼
//	           the count is forgotten, the auth session opened
//
// Counting first makes the limit hold for any number of parallel tries. An address that nobody has takes the same time, and is
// locked out in the same way. BAD_MESSAGE of email or password when they are missing, ACCOUNT_INACTIVE only for a right
// password, OVERLOADED, UNAVAILABLE.
func (s *Service) LogIn(ctx context.Context, email, password string, from Device) (Tokens, error) {
	address, err := NormalizeEmail(email)
	if err != nil {
		return Tokens{}, err
	}
	if password == "" {
		return Tokens{}, core.FieldError("password", "is missing")
	}
	try, err := s.tryPassword(ctx, address, password)
	if err != nil {
		return Tokens{}, err
	}
	session, refresh, err := s.newSession(ctx, core.Operator, from)
	if err != nil {
		return Tokens{}, err
	}
	account, err := s.deps.Operators.LogIn(ctx, try, session)
	if err != nil {
		return Tokens{}, err
	}
	s.stats.logIns.Add(1)
	return s.pair(account, session.ID, refresh, s.deps.Clock().Add(session.TTL))
}

// tryPassword gives the try of a right password. UNAUTHENTICATED for a wrong one.
func (s *Service) tryPassword(ctx context.Context, address, password string) (PasswordTry, error) {
	try, err := s.deps.Operators.TryPassword(ctx, address, s.deps.Settings())
	if err != nil {
		if core.CodeOf(err) == core.RateLimited {
			s.stats.lockedOut.Add(1)
		}
		return PasswordTry{}, err
	}
	right, err := s.isPassword(ctx, try.Hash, password)
	if err != nil {
		return PasswordTry{}, err
	}
	if !right {
		s.stats.logInsFailed.Add(1)
		return PasswordTry{}, core.Errorf(core.Unauthenticated, "wrong email or password")
	}
	return try, nil
}

// ConfirmPassword holds a signed-in operator to its password once more, before it may set a new one. It counts like a log-in. FORBIDDEN
// about current_password when it is wrong, RATE_LIMITED, NOT_FOUND, OVERLOADED, UNAVAILABLE.
func (s *Service) ConfirmPassword(ctx context.Context, operator core.OperatorID, password string) error {
	account, err := s.deps.Accounts.Account(ctx, core.Operator, core.UserID(operator))
	if err != nil {
		return err
	}
	try, err := s.tryPassword(ctx, account.Email, password)
	if core.CodeOf(err) == core.Unauthenticated {
		return &core.Error{Code: core.Forbidden, Field: "current_password", Message: "wrong password"}
	}
	if err != nil {
		return err
	}
	return s.deps.Operators.ForgiveTries(ctx, try.Operator)
}

// RefreshOperator is Refresh for the control center: it takes operators' refresh tokens, which Refresh does not, and no others.
func (s *Service) RefreshOperator(ctx context.Context, token string, from Device) (Tokens, error) {
	return s.refreshFor(ctx, token, from, core.Operator)
}

// NormalizeEmail gives the one form of an address: without space around it, in lower case. BAD_MESSAGE of email for what is
// none.
func NormalizeEmail(typed string) (string, error) {
	address := strings.ToLower(strings.TrimSpace(typed))
	name, domain, ok := strings.Cut(address, "@")
	if !ok || name == "" || domain == "" || len(address) > maxEmail || strings.ContainsAny(address, " \t\r\n<>\"") {
		return "", core.FieldError("email", "not an email address")
	}
	return address, nil
}
