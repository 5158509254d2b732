package core

import (
	"errors"
	"fmt"
	"time"
)

// Code says what went wrong in a word that apps may switch on. The list only grows: codes cross the wire.
type Code string

// The codes that sockets and REST share (protocol.md, "Error codes"), then those of REST alone (rest.md).
const (
	Unauthenticated    Code = "UNAUTHENTICATED"     // no token, or one that is not ours
	TokenExpired       Code = "TOKEN_EXPIRED"       // refresh, then come back
	SessionRevoked     Code = "SESSION_REVOKED"     // the auth session is over: sign in
	AccountInactive    Code = "ACCOUNT_INACTIVE"    // the account is deactivated
	Forbidden          Code = "FORBIDDEN"           // not for this role
	BadMessage         Code = "BAD_MESSAGE"         // malformed; Field names where
	UnknownKind        Code = "UNKNOWN_KIND"        // no such message
	NotFound           Code = "NOT_FOUND"           // does not exist, or is somebody else's
	WrongState         Code = "WRONG_STATE"         // the session is not in a state that allows it
	SessionLive        Code = "SESSION_LIVE"        // the customer has a live session already
	NotOnline          Code = "NOT_ONLINE"          // the mitra's mode is not online
	OfferTaken         Code = "OFFER_TAKEN"         // another mitra was first
	OfferExpired       Code = "OFFER_EXPIRED"       // too late, or withdrawn
	OfferCancelled     Code = "OFFER_CANCELLED"     // the customer gave up
	AtCapacity         Code = "AT_CAPACITY"         // the mitra holds all the sessions it may
	PackageUnavailable Code = "PACKAGE_UNAVAILABLE" // no such package on sale
	PaymentUnavailable Code = "PAYMENT_UNAVAILABLE" // the payment provider is out: retry
	ExtensionPending   Code = "EXTENSION_PENDING"   // an unpaid extension is open
	KeyReused          Code = "KEY_REUSED"          // a request_key came back with another body
	RateLimited        Code = "RATE_LIMITED"        // after RetryAfter
	Overloaded         Code = "OVERLOADED"          // this instance is full: retry
	Unavailable        Code = "UNAVAILABLE"         // a store is down: retry
	Internal           Code = "INTERNAL"            // a fault of ours; nothing more is told

	CodeMismatch     Code = "CODE_MISMATCH"     // a wrong phone code; AttemptsLeft tells how many tries are left
	OTPExpired       Code = "OTP_EXPIRED"       // ask for a new code
	OTPUsed          Code = "OTP_USED"          // the code was used already
	AttemptsExceeded Code = "ATTEMPTS_EXCEEDED" // ask for a new code
	WrongFlow        Code = "WRONG_FLOW"        // a code of one app used in the other
	ResendCooldown   Code = "RESEND_COOLDOWN"   // after RetryAfter
	IdentityInUse    Code = "IDENTITY_IN_USE"   // the identity belongs to another account
	UnknownField     Code = "UNKNOWN_FIELD"     // Field is not of this request
	TooLarge         Code = "TOO_LARGE"         // the body is over the limit
	UnsupportedMedia Code = "UNSUPPORTED_MEDIA" // not JSON, or an encoding we do not read
	MethodNotAllowed Code = "METHOD_NOT_ALLOWED"
	Conflict         Code = "CONFLICT" // it exists already in another form
)

// Error is a failure with a code. Message is for a person who develops an app; it never holds a secret or a driver's
// text, and may change. Err is for our log only.
type Error struct {
	Code         Code
	Message      string
	Field        string        // the offending field, when one is to blame
	RetryAfter   time.Duration // when it makes sense to come back; 0 unknown
	AttemptsLeft int           // with CodeMismatch
	Err          error
}

// Error is the log's view of it.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Field != "" {
		text += " " + e.Field
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a code with a message that is shown outside: no operand may be secret or a driver's error (Wrap
// is for those).
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// FieldError is BAD_MESSAGE about one field.
func FieldError(field, format string, args ...any) *Error {
	return &Error{Code: BadMessage, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Wrap gives a cause a code: what was tried, for the log, stays in err.
func Wrap(code Code, err error) *Error { return &Error{Code: code, Err: err} }

// CodeOf is the code of the first Error in err's chain, Internal when there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// MessageOf is what the first Error in err's chain tells outside; "" when there is none.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}
