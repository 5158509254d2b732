package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/protocol"
)

func offer(expires time.Time) pairing.Offer {
	return pairing.Offer{
		ID: core.OfferID(anotherID), SessionID: core.SessionID(thingID), MitraID: core.NewID[core.MitraID](),
		Minutes: 30, CustomerName: "Kind Bestie", Note: "hello", ExpiresAt: expires,
	}
}

func offerFrame(expires time.Time) protocol.Offer {
	return protocol.Offer{
		OfferID: anotherID, SessionID: thingID, DurationMinutes: 30, CustomerName: "Kind Bestie", Note: "hello",
		ExpiresAt: expires.UnixMilli(), ServerTime: now.UnixMilli(),
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	later := now.Add(10 * time.Second)
	for _, test := range []struct {
		name   string
		kind   core.EventKind
		body   any
		viewer core.UserType
		frame  protocol.Message // nil: nothing is sent
	}{
		{"OK session to its customer", core.SessionUpdated, session(), core.Customer, &protocol.SessionUpdate{Session: *view(core.Customer)}},
		{"OK session to its mitra, without money", core.SessionUpdated, session(), core.Mitra, &protocol.SessionUpdate{Session: *view(core.Mitra)}},
		{"OK offer", core.OfferMade, offer(later), core.Mitra, new(offerFrame(later))},
		{"OK offer that is over is not sent", core.OfferMade, offer(now), core.Mitra, nil},
		{
			"OK offer closed", core.OfferClosed,
			pairing.Closed{OfferID: core.OfferID(anotherID), SessionID: core.SessionID(thingID), Reason: pairing.ClosedWithdrawn},
			core.Mitra, &protocol.OfferClosed{OfferID: anotherID, SessionID: thingID, Reason: protocol.OfferWithdrawn},
		},
		{
			"OK presence", core.PresenceChanged,
			presence.Change{Mode: presence.Offline, Reason: presence.IgnoredOffers, Version: 8, At: later},
			core.Mitra,
			&protocol.PresenceUpdate{
				Mode: protocol.ModeOffline, Reason: protocol.PresenceIgnoredOffers, Version: 8, At: later.UnixMilli(),
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			event, err := core.NewEvent(test.kind, core.NewID[core.UserID](), test.body)
			require.NoError(t, err)
			frame, err := newBench().Event(nil, event, test.viewer)
			require.NoError(t, err)
			if test.frame == nil {
				require.Empty(t, frame)
			} else {
				require.Equal(t, test.frame.Append(nil, 0), frame)
			}
		})
	}
}

func TestEventsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench()
	for _, kind := range []core.EventKind{
		core.SessionUpdated, core.OfferMade, core.OfferClosed, core.PresenceChanged, core.MitraReplaced, "of.tomorrow",
	} {
		frame, err := b.Event(nil, core.Event{Version: core.EventVersion, Kind: kind, Body: []byte(`[1]`)}, core.Mitra)
		require.Error(t, err, kind)
		require.Empty(t, frame)
	}
}

// TestSessionInEveryStatus looks at what is left out while it is not known.
func TestSessionInEveryStatus(t *testing.T) {
	t.Parallel()
	for _, status := range chat.Statuses {
		s := chat.Session{
			ID: core.SessionID(thingID), Version: 1, Status: status, Minutes: 30, CustomerName: "Kind Bestie",
			DeadlineAt: now.Add(time.Minute),
		}
		event, err := core.NewEvent(core.SessionUpdated, core.NewID[core.UserID](), s)
		require.NoError(t, err)
		raw, err := newBench().Event(nil, event, core.Customer)
		require.NoError(t, err)
		free := int64(0)
		require.Equal(t, protocol.SessionUpdate{Session: protocol.Session{
			SessionID: thingID, Version: 1, Status: protocol.SessionStatus(status), DurationMinutes: 30, Price: &free,
			DeadlineAt: now.Add(time.Minute).UnixMilli(), ServerTime: now.UnixMilli(),
		}}.Append(nil, 0), raw)
	}
}

func TestWelcomeAndPosition(t *testing.T) {
	t.Parallel()
	who := newCaller(core.Mitra).who
	conn := core.NewID[core.ConnID]()
	require.Equal(t, protocol.Welcome{
		Protocol: "bestie.v1.msgpack", ConnectionID: protocol.UUID(conn), UserID: protocol.UUID(who.ID), UserType: protocol.RoleMitra,
		ServerTime: now.UnixMilli(), HeartbeatSeconds: 15, MaxMessageBytes: 16384, TokenExpiresAt: now.Add(time.Hour).UnixMilli(),
	}.Append(nil, 0), newBench().Welcome(nil, dispatch.Greeting{Conn: conn, Who: who, HeartbeatSeconds: 15, MaxMessageBytes: 16384}, nil))
	require.Equal(t, protocol.Queue{SessionID: thingID, Position: 3, At: now.UnixMilli()}.Append(nil, 0),
		dispatch.Position(nil, core.SessionID(thingID), 3, now))
}

// codes are all of core, with what the wire makes of them.
var codes = map[core.Code]protocol.ErrorCode{
	core.Unauthenticated: protocol.CodeUnauthenticated, core.TokenExpired: protocol.CodeTokenExpired,
	core.SessionRevoked: protocol.CodeSessionRevoked, core.AccountInactive: protocol.CodeAccountInactive,
	core.Forbidden: protocol.CodeForbidden, core.BadMessage: protocol.CodeBadMessage, core.UnknownKind: protocol.CodeUnknownKind,
	core.NotFound: protocol.CodeNotFound, core.WrongState: protocol.CodeWrongState, core.SessionLive: protocol.CodeSessionLive,
	core.NotOnline: protocol.CodeNotOnline, core.OfferTaken: protocol.CodeOfferTaken, core.OfferExpired: protocol.CodeOfferExpired,
	core.OfferCancelled: protocol.CodeOfferCancelled, core.AtCapacity: protocol.CodeAtCapacity,
	core.PackageUnavailable: protocol.CodePackageUnavailable, core.PaymentUnavailable: protocol.CodePaymentUnavailable,
	core.ExtensionPending: protocol.CodeExtensionPending, core.KeyReused: protocol.CodeKeyReused,
	core.RateLimited: protocol.CodeRateLimited, core.Overloaded: protocol.CodeOverloaded, core.Unavailable: protocol.CodeUnavailable,
	core.Internal: protocol.CodeInternal, core.CodeMismatch: protocol.CodeInternal, core.Conflict: protocol.CodeInternal,
	"OF_TOMORROW": protocol.CodeInternal,
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for code, want := range codes {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.rooms.err = fmt.Errorf("around it: %w", &core.Error{
				Code: code, Message: "a sentence", Field: "a_field", RetryAfter: 1500 * time.Millisecond, Err: errors.New("driver's text"),
			})
			answer := decodeError(t, b.handle(t, newCaller(core.Mitra), &protocol.OfferAccept{OfferID: thingID}, 4), 4)
			if want == protocol.CodeInternal {
				require.Equal(t, protocol.Error{Code: want, Message: "a fault of ours"}, answer, "nothing more is told")
				require.Contains(t, b.log.String(), "driver's text")
				require.EqualValues(t, 1, b.Stats().Faults)
				return
			}
			require.Equal(t, protocol.Error{Code: want, Message: "a sentence", Field: "a_field", RetryAfterMS: 1500}, answer)
			require.Empty(t, b.log.String(), "it is the app's to handle")
		})
	}
	for _, spec := range protocol.ErrorCodes {
		found := false
		for _, code := range codes {
			found = found || code == spec.Code
		}
		require.True(t, found, spec.Code)
	}
}

func TestFailuresWithoutACode(t *testing.T) {
	t.Parallel()
	failure, known := dispatch.Failure(errors.New("bug"))
	require.False(t, known)
	require.Equal(t, protocol.CodeInternal, failure.Code)
	failure, known = dispatch.Failure(fmt.Errorf("waiting: %w", context.DeadlineExceeded))
	require.True(t, known)
	require.Equal(t, protocol.CodeUnavailable, failure.Code)
	failure, _ = dispatch.Failure(core.Wrap(core.NotFound, errors.New("no rows")))
	require.NotEmpty(t, failure.Message)
	require.NotContains(t, failure.Message, "rows")
}

func TestStateErrorBringsTheSession(t *testing.T) {
	t.Parallel()
	for _, role := range both {
		b := newBench()
		b.rooms.err = &chat.StateError{Err: core.Errorf(core.WrongState, "it is over"), Session: session()}
		answer := b.handle(t, newCaller(role), &protocol.SessionEnd{SessionID: thingID}, 4)
		require.Equal(t, protocol.Error{
			Code: protocol.CodeWrongState, Message: "it is over", Session: view(role),
		}.Append(nil, 4), answer)
	}
}
