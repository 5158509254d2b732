package protocol

// ErrorCode says in a word what went wrong; apps switch on it. The list only grows.
type ErrorCode string

// The codes that an error frame may carry.
const (
	CodeUnauthenticated    ErrorCode = "UNAUTHENTICATED"
	CodeTokenExpired       ErrorCode = "TOKEN_EXPIRED"
	CodeSessionRevoked     ErrorCode = "SESSION_REVOKED"
	CodeAccountInactive    ErrorCode = "ACCOUNT_INACTIVE"
	CodeForbidden          ErrorCode = "FORBIDDEN"
	CodeBadMessage         ErrorCode = "BAD_MESSAGE"
	CodeUnknownKind        ErrorCode = "UNKNOWN_KIND"
	CodeNotFound           ErrorCode = "NOT_FOUND"
	CodeWrongState         ErrorCode = "WRONG_STATE"
	CodeSessionLive        ErrorCode = "SESSION_LIVE"
	CodeNotOnline          ErrorCode = "NOT_ONLINE"
	CodeOfferTaken         ErrorCode = "OFFER_TAKEN"
	CodeOfferExpired       ErrorCode = "OFFER_EXPIRED"
	CodeOfferCancelled     ErrorCode = "OFFER_CANCELLED"
	CodeAtCapacity         ErrorCode = "AT_CAPACITY"
	CodePackageUnavailable ErrorCode = "PACKAGE_UNAVAILABLE"
	CodePaymentUnavailable ErrorCode = "PAYMENT_UNAVAILABLE"
	CodeExtensionPending   ErrorCode = "EXTENSION_PENDING"
	CodeKeyReused          ErrorCode = "KEY_REUSED"
	CodeRateLimited        ErrorCode = "RATE_LIMITED"
	CodeOverloaded         ErrorCode = "OVERLOADED"
	CodeUnavailable        ErrorCode = "UNAVAILABLE"
	CodeInternal           ErrorCode = "INTERNAL"
)

// ErrorSpec is one row of the table of error codes.
type ErrorSpec struct {
	Code    ErrorCode
	Meaning string
}

// ErrorCodes is the table of error codes.
var ErrorCodes = []ErrorSpec{
	{CodeUnauthenticated, "no token, or one that is not ours"},
	{CodeTokenExpired, "refresh the token"},
	{CodeSessionRevoked, "the auth session is over: sign in"},
	{CodeAccountInactive, "the account is deactivated"},
	{CodeForbidden, "not for this role"},
	{CodeBadMessage, "a field has the wrong shape; field names it"},
	{CodeUnknownKind, "no such message"},
	{CodeNotFound, "does not exist, or is somebody else's"},
	{CodeWrongState, "the session is not in a state that allows it; session tells its state"},
	{CodeSessionLive, "the customer has a live session already: session"},
	{CodeNotOnline, "the mitra's mode is not online"},
	{CodeOfferTaken, "another mitra was first"},
	{CodeOfferExpired, "too late, or withdrawn"},
	{CodeOfferCancelled, "the customer gave up"},
	{CodeAtCapacity, "the mitra holds all the sessions it may"},
	{CodePackageUnavailable, "no such package on sale"},
	{CodePaymentUnavailable, "the payment provider is out: retry"},
	{CodeExtensionPending, "an unpaid extension is open"},
	{CodeKeyReused, "the request_key came with another body before"},
	{CodeRateLimited, "retry after retry_after_ms"},
	{CodeOverloaded, "this instance is full: retry"},
	{CodeUnavailable, "a store is down: retry"},
	{CodeInternal, "a fault of ours"},
}

// CloseCode is the code of a WebSocket close frame.
type CloseCode uint16

// The close codes. CloseCodes says what the app does on each.
const (
	CloseNormal          CloseCode = 1000
	CloseGoingAway       CloseCode = 1001
	CloseProtocolError   CloseCode = 1002 // a violation of RFC 6455
	CloseNotBinary       CloseCode = 1003 // a text message
	CloseNotMsgpack      CloseCode = 1007 // Parse refused the message
	CloseTooBig          CloseCode = 1009
	CloseInternal        CloseCode = 1011
	CloseRestart         CloseCode = 1012 // after draining
	CloseReplaced        CloseCode = 4000
	CloseInactive        CloseCode = 4001
	CloseTokenExpired    CloseCode = 4100
	CloseUnauthenticated CloseCode = 4101
	CloseRevoked         CloseCode = 4102
	CloseIdle            CloseCode = 4200
	CloseSlow            CloseCode = 4201
	CloseRateLimited     CloseCode = 4202
	CloseRetired         CloseCode = 4203
)

// Action is what an app does after a close.
type Action string

// The actions.
const (
	ActionStop           Action = "stop"
	ActionRefresh        Action = "refresh the token, then reconnect"
	ActionSignIn         Action = "sign in, then reconnect"
	ActionBackoff        Action = "reconnect with backoff"
	ActionReconnectAfter Action = "reconnect after the time that was told"
	ActionReconnect      Action = "reconnect at once"
	ActionAny            Action = "as the app likes"
)

// CloseSpec is one row of the table of close codes.
type CloseSpec struct {
	Code    CloseCode
	Name    string
	Meaning string
	Action  Action
}

// CloseCodes is the table of close codes.
var CloseCodes = []CloseSpec{
	{CloseNormal, "normal", "one side is done", ActionAny},
	{CloseGoingAway, "going_away", "one side goes away", ActionAny},
	{CloseProtocolError, "protocol_error", "RFC 6455 was violated: a bug in the app", ActionStop},
	{CloseNotBinary, "not_binary", "a text message: a bug in the app", ActionStop},
	{CloseNotMsgpack, "not_msgpack", "not a well-formed frame: a bug in the app", ActionStop},
	{CloseTooBig, "too_big", "over max_message_bytes: a bug in the app", ActionStop},
	{CloseInternal, "internal_error", "a fault of the gateway", ActionBackoff},
	{CloseRestart, "service_restart", "follows draining; the time is its reconnect_after_ms", ActionReconnectAfter},
	{CloseReplaced, "replaced", "the same mitra opened a newer socket", ActionStop},
	{CloseInactive, "account_inactive", "the account was deactivated", ActionStop},
	{CloseTokenExpired, "token_expired", "the access token is expired", ActionRefresh},
	{CloseUnauthenticated, "unauthenticated", "the access token is missing or not valid", ActionSignIn},
	{CloseRevoked, "revoked", "the auth session is over: logout, reset, stolen refresh token", ActionSignIn},
	{CloseIdle, "heartbeat_timeout", "nothing was heard for too long", ActionBackoff},
	{CloseSlow, "slow_consumer", "the app did not read what was sent", ActionBackoff},
	{CloseRateLimited, "rate_limited", "too many messages; the time is the retry_after_ms of the error before", ActionReconnectAfter},
	{CloseRetired, "retired", "the socket reached its age limit", ActionReconnect},
}

// Spec finds the code's row; false: the code is not of this protocol.
func (c CloseCode) Spec() (CloseSpec, bool) {
	for _, spec := range CloseCodes {
		if spec.Code == c {
			return spec, true
		}
	}
	return CloseSpec{}, false
}

// Action is what an app does after this close; a code that is not of this protocol is answered with backoff.
func (c CloseCode) Action() Action {
	if spec, ok := c.Spec(); ok {
		return spec.Action
	}
	return ActionBackoff
}
