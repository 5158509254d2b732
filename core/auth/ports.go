package auth

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Accounts is who exists. Its methods answer UNAVAILABLE when the store is out, besides the codes named.
type Accounts interface {
	// Account reads one user. NOT_FOUND.
	Account(ctx context.Context, user core.UserType, id core.UserID) (Account, error)
	// SignUp makes an anonymous customer and its first auth session, in one transaction.
	SignUp(ctx context.Context, session NewSession) (Account, error)
	// SignIn opens an auth session for the account that holds the identity. A customer is made when there is none; a
	// mitra never is: ACCOUNT_INACTIVE, as when it is deactivated.
	SignIn(ctx context.Context, user core.UserType, identity Identity, session NewSession) (Account, error)
	// Link gives an identity to a customer. The one it has already: no change. IDENTITY_IN_USE when another account
	// holds it, CONFLICT when this one holds another of the kind, NOT_FOUND.
	Link(ctx context.Context, customer core.CustomerID, identity Identity) (Account, error)
}

// Sessions are the auth sessions: one a signed-in device.
type Sessions interface {
	// Session reads one with its account. NOT_FOUND, UNAVAILABLE.
	Session(ctx context.Context, id core.AuthSessionID) (Session, error)
	// Rotate replaces the hash of generation from by that of its successor, unless somebody did so before, or the
	// session is over: then false. UNAVAILABLE.
	Rotate(ctx context.Context, id core.AuthSessionID, from int64, hash string, by Device) (bool, error)
	// Revoke ends an auth session and emits core.AuthRevoked to its user, in one transaction. One that is over already stays as it
	// was, and nothing is emitted. UNAVAILABLE.
	Revoke(ctx context.Context, id core.AuthSessionID, why RevokeReason) error
	// RevokeAll does so for all auth sessions of a user but one (the zero value: all) and tells which they were. UNAVAILABLE.
	RevokeAll(ctx context.Context, user core.UserID, but core.AuthSessionID, why RevokeReason) ([]core.AuthSessionID, error)
	// RevokedWithin lists what was revoked within the last d, by the store's clock. UNAVAILABLE.
	RevokedWithin(ctx context.Context, d time.Duration) ([]Revocation, error)
}

// Sockets are the connections of this instance. Implemented by the gateway.
type Sockets interface {
	// SignedOut closes those of auth sessions of a user that are over. It does not block, and takes duplicates.
	SignedOut(user core.UserID, revoked Revoked)
}

// Codes are the phone codes that were asked for.
type Codes interface {
	// Issue writes a request, kills the phone's earlier ones of the same app, and tells whether anybody is to be sent the code: always for
	// customers, for mitras when the phone is one's. It costs the same either way. RESEND_COOLDOWN and RATE_LIMITED
	// with RetryAfter when a limit of the settings is reached, which also holds for parallel calls. UNAVAILABLE.
	Issue(ctx context.Context, code NewCode) (deliver bool, err error)
	// Attempt counts one and compares, in one atomic statement, and answers the phone that the code proves. CODE_MISMATCH with
	// AttemptsLeft, OTP_EXPIRED (also when there is no such request, or a newer one), OTP_USED, ATTEMPTS_EXCEEDED, WRONG_FLOW only
	// for a right code, UNAVAILABLE.
	Attempt(ctx context.Context, attempt Attempt) (phone string, err error)
}

// Operators are the people of the control center.
type Operators interface {
	// TryPassword counts a try for an address before its password is looked at, in one atomic statement, and gives what to compare
	// with; also for an address that nobody has. RATE_LIMITED with RetryAfter while the address is locked out, UNAVAILABLE.
	TryPassword(ctx context.Context, email string, limits core.Settings) (PasswordTry, error)
	// LogIn forgets the tries of an operator whose password was right and opens an auth session. ACCOUNT_INACTIVE, UNAUTHENTICATED
	// when the password was changed meanwhile, UNAVAILABLE.
	LogIn(ctx context.Context, right PasswordTry, session NewSession) (Account, error)
	// ForgiveTries forgets them and does nothing else. UNAVAILABLE.
	ForgiveTries(ctx context.Context, operator core.OperatorID) error
}

// Customers is what customers do to their own accounts.
type Customers interface {
	// Rename sets the display name. NOT_FOUND, UNAVAILABLE.
	Rename(ctx context.Context, customer core.CustomerID, name string) (Account, error)
	// Delete makes an account nobody's, in one transaction, and tells which auth sessions it revoked. Once more changes nothing. NOT_FOUND,
	// UNAVAILABLE.
	Delete(ctx context.Context, customer core.CustomerID) ([]core.AuthSessionID, error)
	// Export reads everything about a customer as of one moment. NOT_FOUND, UNAVAILABLE.
	Export(ctx context.Context, customer core.CustomerID) (Export, error)
}

// IDTokens checks the ID tokens of one provider. Implemented by package oidc.
type IDTokens interface {
	// Verify: UNAUTHENTICATED about id_token or nonce, UNAVAILABLE when the provider's keys cannot be had.
	Verify(ctx context.Context, idToken, nonce string) (Claim, error)
}

// AppleGrants speaks with Apple about refresh tokens. Implemented by package oidc.
type AppleGrants interface {
	// Exchange gives the refresh token for a code of the subject. UNAUTHENTICATED about authorization_code, NOT_FOUND when codes are not
	// exchanged here, UNAVAILABLE.
	Exchange(ctx context.Context, client, code, subject string) (refreshToken string, err error)
	// Revoke is to be tried again on any error.
	Revoke(ctx context.Context, client, refreshToken string) error
}

// AppleTokens keeps Apple's refresh tokens, sealed. All methods answer UNAVAILABLE when the store is out.
type AppleTokens interface {
	// Orphans claims some of those that are to be revoked now; each is due again, ever later, until it is forgotten.
	Orphans(ctx context.Context, limit int) ([]SealedToken, error)
	Forget(ctx context.Context, customer core.CustomerID) error
	// SealedOtherwise lists some that another key than that sealed, in the order of their customers.
	SealedOtherwise(ctx context.Context, keyID string, after core.CustomerID, limit int) ([]SealedToken, error)
	// Reseal replaces old by renewed, unless it has changed.
	Reseal(ctx context.Context, old, renewed SealedToken) error
}

// TestAccounts makes users that nobody signed up for: for the test routes and for load.
type TestAccounts interface {
	// SeedMitra makes a test mitra or renames the one with this phone, makes it active, and opens an auth session for it. CONFLICT when
	// the phone is a real mitra's, UNAVAILABLE.
	SeedMitra(ctx context.Context, phone, name string, session NewSession) (Account, error)
	// Fill makes a test user for each session; those whose phone is taken are left out. Customers have no
	// phone. It returns the accounts that were made, in any order, with their auth sessions. UNAVAILABLE.
	Fill(ctx context.Context, user core.UserType, sessions []NewSession, phones []string) ([]Session, error)
}

// CodeSender brings a code to a phone (E.164). It may take seconds; its error is for the log and holds no code.
type CodeSender interface {
	SendCode(ctx context.Context, app core.UserType, phone, code string) error
}
