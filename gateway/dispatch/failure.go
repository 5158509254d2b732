package dispatch

import (
	"context"
	"errors"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/protocol"
)

// wireCode is the one table from the domain's codes to those of the wire. What is not in it (the codes of REST, and those
// to come) is a fault of ours when it turns up here: INTERNAL.
func wireCode(code core.Code) protocol.ErrorCode {
	switch code {
	case core.Unauthenticated:
		return protocol.CodeUnauthenticated
	case core.TokenExpired:
		return protocol.CodeTokenExpired
	case core.SessionRevoked:
		return protocol.CodeSessionRevoked
	case core.AccountInactive:
		return protocol.CodeAccountInactive
	case core.Forbidden:
		return protocol.CodeForbidden
	case core.BadMessage:
		return protocol.CodeBadMessage
	case core.UnknownKind:
		return protocol.CodeUnknownKind
	case core.NotFound:
		return protocol.CodeNotFound
	case core.WrongState:
		return protocol.CodeWrongState
	case core.SessionLive:
		return protocol.CodeSessionLive
	case core.NotOnline:
		return protocol.CodeNotOnline
	case core.OfferTaken:
		return protocol.CodeOfferTaken
	case core.OfferExpired:
		return protocol.CodeOfferExpired
	case core.OfferCancelled:
		return protocol.CodeOfferCancelled
	case core.AtCapacity:
		return protocol.CodeAtCapacity
	case core.PackageUnavailable:
		return protocol.CodePackageUnavailable
	case core.PaymentUnavailable:
		return protocol.CodePaymentUnavailable
	case core.ExtensionPending:
		return protocol.CodeExtensionPending
	case core.KeyReused:
		return protocol.CodeKeyReused
	case core.RateLimited:
		return protocol.CodeRateLimited
	case core.Overloaded:
		return protocol.CodeOverloaded
	case core.Unavailable:
		return protocol.CodeUnavailable
	}
	return protocol.CodeInternal
}

// failure puts an error on the wire, and into the log when it is a fault of ours. A StateError brings its session along, in
// the viewer's form.
func (d *Dispatcher) failure(err error, viewer core.UserType, kind protocol.Kind) protocol.Error {
	failure, known := Failure(err)
	if !known {
		d.faults.Add(1)
		d.log.Error("request failed", "kind", kind.String(), "error", err)
	}
	var state *chat.StateError
	if known && errors.As(err, &state) {
		failure.Session = sessionView(state.Session, viewer, d.clock())
	}
	return failure
}

// Failure is an error's frame without a session. known is false when it is a fault of ours, of which nothing is told: the
// caller logs it.
func Failure(err error) (failure protocol.Error, known bool) {
	var field *protocol.FieldError
	var coded *core.Error
	switch {
	case errors.As(err, &field):
		return protocol.Error{Code: protocol.CodeBadMessage, Message: field.Reason, Field: field.Field}, true
	case errors.As(err, &coded):
		failure.Code = wireCode(coded.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		failure.Code = protocol.CodeUnavailable
	default:
		failure.Code = protocol.CodeInternal
	}
	if failure.Code != protocol.CodeInternal && coded != nil {
		failure.Message, failure.Field = coded.Message, coded.Field
		failure.RetryAfterMS = coded.RetryAfter.Milliseconds()
	}
	if failure.Message == "" {
		failure.Message = meaning(failure.Code)
	}
	return failure, failure.Code != protocol.CodeInternal
}

func meaning(code protocol.ErrorCode) string {
	for _, spec := range protocol.ErrorCodes {
		if spec.Code == code {
			return spec.Meaning
		}
	}
	return ""
}
