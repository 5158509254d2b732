package dispatch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/protocol"
)

// request is one kind with everything it may carry, and what comes of it.
type request struct {
	message protocol.Message
	roles   []core.UserType
	call    string // the room's, or the connection's
	ack     func(role core.UserType) *protocol.Ack
}

func plain(core.UserType) *protocol.Ack { return &protocol.Ack{} }
func none(core.UserType) *protocol.Ack  { return nil }
func withSession(role core.UserType) *protocol.Ack {
	return &protocol.Ack{Session: view(role)}
}

var (
	both      = []core.UserType{core.Customer, core.Mitra}
	customers = []core.UserType{core.Customer}
	mitras    = []core.UserType{core.Mitra}
	available = 42
)

var requests = []request{
	{&protocol.Heartbeat{}, both, "", plain},
	{&protocol.AuthRefresh{Token: "new"}, both, "Refresh new", func(core.UserType) *protocol.Ack {
		return &protocol.Ack{TokenExpiresAt: now.Add(time.Hour).UnixMilli()}
	}},
	{&protocol.PresenceSet{Mode: protocol.ModeFinishing}, mitras, "SetMode " + user + " finishing 7", func(core.UserType) *protocol.Ack {
		return &protocol.Ack{Mode: protocol.ModeOffline}
	}},
	{&protocol.AvailabilitySubscribe{}, customers, "Subscribe", func(core.UserType) *protocol.Ack {
		return &protocol.Ack{Available: &available, At: now.Add(-time.Second).UnixMilli()}
	}},
	{&protocol.AvailabilityUnsubscribe{}, customers, "Unsubscribe", plain},
	{
		&protocol.PairingRequest{RequestKey: "k", PackageID: anotherID, Note: "please"}, customers,
		"Request " + user + " k " + another + " please", withSession,
	},
	{&protocol.PairingCancel{SessionID: thingID}, customers, "Cancel " + thing + " " + user, withSession},
	{&protocol.OfferReceived{OfferID: thingID}, mitras, "Received " + thing + " " + user, none},
	{&protocol.OfferAccept{OfferID: thingID}, mitras, "Accept " + thing + " " + user + " 7", withSession},
	{&protocol.OfferDecline{OfferID: thingID, Reason: "busy"}, mitras, "Decline " + thing + " " + user + " busy", plain},
	{&protocol.SessionEnd{SessionID: thingID, Reason: "done"}, both, "End " + thing + " " + user + " done", withSession},
	{
		&protocol.SessionExtend{SessionID: thingID, PackageID: anotherID, RequestKey: "k"}, customers,
		"Extend " + thing + " " + user + " " + another + " k", func(role core.UserType) *protocol.Ack {
			return &protocol.Ack{Session: view(role), Payment: view(role).Payment}
		},
	},
	{&protocol.SessionReroute{SessionID: thingID, Reason: "why"}, both, "Reroute " + thing + " " + user + " why", withSession},
	{
		&protocol.DeviceRegister{PushToken: "t", Platform: protocol.PlatformIOS}, both,
		"Register " + user + " t ios", plain,
	},
	// state.get has tests of its own
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, q := range requests {
		for _, role := range both {
			t.Run(fmt.Sprintf("%s from a %s", q.message.Kind(), role), func(t *testing.T) {
				t.Parallel()
				b, from := newBench(), newCaller(role)
				b.rooms.mitra = presence.Mitra{Mode: presence.Offline}
				answer := b.handle(t, from, q.message, 77)
				calls := append(b.rooms.calls, from.calls...)

				if role != q.roles[0] && len(q.roles) == 1 {
					require.Equal(t, protocol.Error{
						Code: protocol.CodeForbidden, Message: fmt.Sprintf("%s is not for a %s", q.message.Kind(), role),
					}.Append(nil, 77), answer)
					require.Empty(t, calls)
					return
				}
				switch {
				case q.call == "":
					require.Empty(t, calls)
				default:
					require.Equal(t, []string{q.call}, calls)
				}
				switch {
				case q.ack(role) == nil:
					require.Empty(t, answer)
				default:
					require.Equal(t, q.ack(role).Append(nil, 77), answer)
				}
			})
		}
	}
}

func TestEveryKindOfTheProtocolIsTried(t *testing.T) {
	t.Parallel()
	tried := map[protocol.Kind]bool{protocol.KindStateGet: true}
	for _, q := range requests {
		tried[q.message.Kind()] = true
	}
	for _, spec := range protocol.Kinds() {
		require.Equal(t, spec.Direction == protocol.ToServer, tried[spec.Kind], spec.Name)
	}
}

func TestNoAnswerToIDZero(t *testing.T) {
	t.Parallel()
	t.Run("OK it is carried out", func(t *testing.T) {
		t.Parallel()
		b := newBench()
		require.Empty(t, b.handle(t, newCaller(core.Mitra), &protocol.OfferDecline{OfferID: thingID}, 0))
		require.Len(t, b.rooms.calls, 1)
	})
	t.Run("ErrForbidden, ErrBadMessage, ErrUnknownKind and failures", func(t *testing.T) {
		t.Parallel()
		b := newBench()
		b.rooms.err = core.Errorf(core.NotFound, "there is none")
		customer := newCaller(core.Customer)
		require.Empty(t, b.handle(t, customer, &protocol.PresenceSet{Mode: protocol.ModeOnline}, 0))
		require.Empty(t, b.handle(t, customer, &protocol.PairingRequest{}, 0))
		require.Empty(t, b.raw(t, customer, []byte{0x92, 0x20, 0x00}))
		require.Empty(t, b.handle(t, customer, &protocol.PairingCancel{SessionID: thingID}, 0))
	})
}

func TestBadMessages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		role  core.UserType
		msg   []byte
		code  protocol.ErrorCode
		field string
	}{
		{"ErrUnknownKind", core.Customer, []byte{0x92, 0x20, 0x05}, protocol.CodeUnknownKind, ""},
		{"ErrUnknownKind what only the server sends", core.Customer, []byte{0x92, 0x43, 0x05}, protocol.CodeUnknownKind, ""},
		{"ErrBadMessage no body", core.Customer, []byte{0x92, 0x07, 0x05}, protocol.CodeBadMessage, "session_id"},
		{
			"ErrBadMessage a number for an id", core.Customer,
			append([]byte{0x93, 0x07, 0x05, 0x81, 0xaa}, "session_id\x01"...), protocol.CodeBadMessage, "session_id",
		},
		{
			"ErrBadMessage a mode that there is not", core.Mitra,
			append([]byte{0x93, 0x03, 0x05, 0x81, 0xa4}, "mode\xa4away"...), protocol.CodeBadMessage, "mode",
		},
		{
			"ErrBadMessage no key", core.Customer,
			protocol.PairingRequest{PackageID: thingID}.Append(nil, 5), protocol.CodeBadMessage, "request_key",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			answer := decodeError(t, b.raw(t, newCaller(test.role), test.msg), 5)
			require.Equal(t, test.code, answer.Code)
			require.Equal(t, test.field, answer.Field)
			require.NotEmpty(t, answer.Message)
			require.Empty(t, b.rooms.calls)
		})
	}
}

// TestBodiesThatAreNoMaps sends every kind with a number for its body.
func TestBodiesThatAreNoMaps(t *testing.T) {
	t.Parallel()
	kinds := []protocol.Kind{protocol.KindStateGet}
	for _, q := range requests {
		kinds = append(kinds, q.message.Kind())
	}
	for _, kind := range kinds {
		for _, role := range both {
			if !kind.From(protocol.Role(role)) {
				continue
			}
			b, from := newBench(), newCaller(role)
			answer := b.raw(t, from, []byte{0x93, byte(kind), 0x09, 0x01})
			require.Equal(t, protocol.CodeBadMessage, decodeError(t, answer, 9).Code, kind)
			require.Empty(t, append(b.rooms.calls, from.calls...), kind)
		}
	}
}

func TestInLoop(t *testing.T) {
	t.Parallel()
	for _, spec := range protocol.Kinds() {
		overtakes := spec.Kind == 1 || spec.Kind == 2 || spec.Kind == 4 || spec.Kind == 5
		require.Equal(t, overtakes, dispatch.InLoop(spec.Kind), spec.Name)
	}
}

func TestStateGet(t *testing.T) {
	t.Parallel()
	t.Run("OK a mitra", func(t *testing.T) {
		t.Parallel()
		b := newBench()
		b.rooms.mitra = presence.Mitra{Mode: presence.Online, Capacity: 1, MaxCapacity: 3}
		b.rooms.offers = append(b.rooms.offers, offer(now.Add(time.Second)))
		b.rooms.sessions = append(b.rooms.sessions, session())
		answer := b.handle(t, newCaller(core.Mitra), &protocol.StateGet{}, 3)
		require.Equal(t, protocol.Ack{State: &protocol.State{Mitra: &protocol.MitraState{
			Mode: protocol.ModeOnline, Capacity: 1, MaxCapacity: 3,
			Offers: []protocol.Offer{offerFrame(now.Add(time.Second))}, Sessions: []protocol.Session{*view(core.Mitra)},
		}}}.Append(nil, 3), answer)
	})
	t.Run("OK a customer with a session, and one without", func(t *testing.T) {
		t.Parallel()
		b := newBench()
		require.Equal(t, protocol.Ack{State: &protocol.State{Customer: &protocol.CustomerState{Available: 9}}}.Append(nil, 3),
			b.handle(t, newCaller(core.Customer), &protocol.StateGet{}, 3))
		b.rooms.sessions = append(b.rooms.sessions, session())
		require.Equal(t, protocol.Ack{State: &protocol.State{Customer: &protocol.CustomerState{
			Session: view(core.Customer), Available: 9,
		}}}.Append(nil, 3), b.handle(t, newCaller(core.Customer), &protocol.StateGet{}, 3))
	})
	for _, role := range both {
		t.Run(fmt.Sprintf("ErrUnavailable for a %s", role), func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.rooms.err = core.Errorf(core.Unavailable, "the database is out")
			answer := decodeError(t, b.handle(t, newCaller(role), &protocol.StateGet{}, 3), 3)
			require.Equal(t, protocol.CodeUnavailable, answer.Code)
		})
	}
}

func TestClaimFails(t *testing.T) {
	t.Parallel()
	for _, m := range []protocol.Message{
		&protocol.PresenceSet{Mode: protocol.ModeOnline}, &protocol.OfferAccept{OfferID: thingID},
	} {
		b, from := newBench(), newCaller(core.Mitra)
		from.claimErr = core.Errorf(core.Unavailable, "the database is out")
		require.Equal(t, protocol.CodeUnavailable, decodeError(t, b.handle(t, from, m, 1), 1).Code)
		require.Empty(t, b.rooms.calls)
	}
}

func TestSubscribeBeforeAnyCount(t *testing.T) {
	t.Parallel()
	b, from := newBench(), newCaller(core.Customer)
	from.uncounted = true
	zero := 0
	require.Equal(t, protocol.Ack{Available: &zero, At: now.UnixMilli()}.Append(nil, 1),
		b.handle(t, from, &protocol.AvailabilitySubscribe{}, 1))
}

func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	b, from := newBench(), newCaller(core.Customer)
	from.refreshErr = &core.Error{Code: core.Forbidden, Field: "token", Message: "another's"}
	require.Equal(t, protocol.Error{Code: protocol.CodeForbidden, Field: "token", Message: "another's"}.Append(nil, 1),
		b.handle(t, from, &protocol.AuthRefresh{Token: "x"}, 1))
}

func TestHeartbeatAllocatesNothing(t *testing.T) {
	b, from := newBench(), newCaller(core.Mitra)
	frame, err := protocol.Parse([]byte{0x92, 0x01, 0x07})
	require.NoError(t, err)
	buffer, ctx := make([]byte, 0, 64), t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() { buffer = b.Handle(ctx, buffer[:0], from, frame) }))
	require.Equal(t, protocol.Ack{}.Append(nil, 7), buffer)
}

func decodeError(t *testing.T, answer []byte, id uint32) protocol.Error {
	t.Helper()
	frame, err := protocol.ParseFromServer(answer)
	require.NoError(t, err)
	require.Equal(t, protocol.KindError, frame.Kind)
	require.Equal(t, id, frame.ID)
	var m protocol.Error
	require.NoError(t, m.Decode(frame.Body))
	return m
}
