package rest

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// statusOf is the one table from a code to an HTTP status. Apps switch on the code; the status is for what stands between.
func statusOf(code core.Code) int {
	switch code {
	case core.Unauthenticated, core.TokenExpired, core.SessionRevoked:
		return http.StatusUnauthorized
	case core.AccountInactive, core.Forbidden:
		return http.StatusForbidden
	case core.BadMessage, core.UnknownKind, core.UnknownField, core.CodeMismatch:
		return http.StatusBadRequest
	case core.NotFound, core.PackageUnavailable:
		return http.StatusNotFound
	case core.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case core.WrongState, core.SessionLive, core.NotOnline, core.OfferTaken, core.OfferCancelled, core.AtCapacity,
		core.ExtensionPending, core.KeyReused, core.OTPUsed, core.WrongFlow, core.IdentityInUse, core.Conflict:
		return http.StatusConflict
	case core.OfferExpired, core.OTPExpired:
		return http.StatusGone
	case core.TooLarge:
		return http.StatusRequestEntityTooLarge
	case core.UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case core.RateLimited, core.ResendCooldown, core.AttemptsExceeded:
		return http.StatusTooManyRequests
	case core.Overloaded, core.Unavailable, core.PaymentUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// failure is the body of every answer that is not a success.
type failure struct {
	Error failureBody `json:"error"`
}

type failureBody struct {
	Code         core.Code `json:"code"`
	Message      string    `json:"message"`
	Field        string    `json:"field,omitempty"`
	RetryAfter   int       `json:"retry_after_seconds,omitempty"`
	AttemptsLeft *int      `json:"attempts_left,omitempty"`
	Session      *standing `json:"session,omitempty"` // with WRONG_STATE and SESSION_LIVE
	RequestID    string    `json:"request_id"`
}

// standing is the session that stands in the way.
type standing struct {
	ID        core.SessionID `json:"id"`
	Version   int64          `json:"version"`
	Status    chat.Status    `json:"status"`
	EndReason chat.EndReason `json:"end_reason,omitzero"`
}

// fail answers an error. What is a fault of ours is logged here and nowhere else.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var coded *core.Error
	if !errors.As(err, &coded) {
		coded = core.Wrap(core.Internal, err)
	}
	status := statusOf(coded.Code)
	body := failureBody{
		Code: coded.Code, Message: coded.Message, Field: coded.Field,
		RetryAfter: wholeSeconds(coded.RetryAfter), RequestID: requestID(r.Context()),
	}
	if body.Message == "" {
		body.Message = http.StatusText(status)
	}
	if coded.Code == core.CodeMismatch {
		body.AttemptsLeft = &coded.AttemptsLeft
	}
	var state *chat.StateError
	if errors.As(err, &state) {
		body.Session = &standing{
			ID: state.Session.ID, Version: state.Session.Version, Status: state.Session.Status, EndReason: state.Session.EndReason,
		}
	}
	switch {
	case coded.Code == core.Internal:
		body.Message = "an internal error: quote the request id"
		s.log.ErrorContext(r.Context(), "request failed", "request_id", body.RequestID, "method", r.Method, "path", r.URL.Path, "error", err)
	case coded.Code == core.Unavailable: // counted by the store; while it is out, every request would be a line
		s.log.DebugContext(r.Context(), "request failed", "request_id", body.RequestID, "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if body.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(body.RetryAfter))
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="bestie"`)
	}
	s.reply(w, r, status, failure{body})
}

// reply writes a JSON answer. Nothing that we answer may be kept by a cache.
func (s *server) reply(w http.ResponseWriter, r *http.Request, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // no type that we answer with can fail
		s.log.ErrorContext(r.Context(), "answer not encoded", "request_id", requestID(r.Context()), "error", err)
		status, text = http.StatusInternalServerError, []byte(`{"error":{"code":"INTERNAL","message":"an internal error"}}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that is gone needs no answer
}

// wholeSeconds rounds up, so that who comes back then is not too early.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
