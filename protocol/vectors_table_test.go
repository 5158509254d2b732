package protocol_test

import "github.com/halobestie/bestie-gateway/protocol"

// The ids and times of the vectors.
var (
	userID    = uuid("01900000-0000-7000-8000-000000000001")
	connID    = uuid("01900000-0000-7000-8000-0000000000c0")
	mitraID   = uuid("01900000-0000-7000-8000-000000000002")
	sessionID = uuid("01900000-0000-7000-8000-00000000005e")
	offerID   = uuid("01900000-0000-7000-8000-00000000000f")
	packageID = uuid("01900000-0000-7000-8000-0000000000ba")
	paymentID = uuid("01900000-0000-7000-8000-0000000000a7")
)

const (
	now    = 1795348800000 // 2026-11-22T12:00:00Z
	minute = 60_000
)

func uuid(s string) protocol.UUID {
	id, err := protocol.ParseUUID(s)
	if err != nil {
		panic(err)
	}
	return id
}

func ptr[T any](v T) *T { return &v }

// vector is a message and what stands about it in testdata/vectors.
type vector struct {
	name    string
	id      uint32
	message protocol.Message
}

// families is what the files of testdata/vectors are made from: one file a family.
func families() map[string][]vector {
	return map[string][]vector{
		"connection": connectionVectors(),
		"presence":   presenceVectors(),
		"pairing":    pairingVectors(),
		"session":    sessionVectors(),
	}
}

func connectionVectors() []vector {
	return []vector{
		{"heartbeat", 0, &protocol.Heartbeat{}},
		{"heartbeat with an answer wanted", 1, &protocol.Heartbeat{}},
		{"the largest id", 4294967295, &protocol.Heartbeat{}},
		{"state.get", 128, &protocol.StateGet{}},
		{"auth.refresh", 2, &protocol.AuthRefresh{Token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}},
		{"auth.refresh with a token over 255 bytes", 256, &protocol.AuthRefresh{Token: long('t', 300)}},
		{"device.register", 3, &protocol.DeviceRegister{PushToken: "fcm:token", Platform: protocol.PlatformAndroid}},
		{"welcome to a customer without a session", 0, &protocol.Welcome{
			Protocol: protocol.Subprotocol, ConnectionID: connID, UserID: userID, UserType: protocol.RoleCustomer,
			ServerTime: now, HeartbeatSeconds: 15, MaxMessageBytes: 16384, TokenExpiresAt: now + 60*minute,
			State: &protocol.State{Customer: &protocol.CustomerState{}},
		}},
		{"welcome to a mitra with an offer and a session", 0, &protocol.Welcome{
			Protocol: protocol.Subprotocol, ConnectionID: connID, UserID: mitraID, UserType: protocol.RoleMitra,
			ServerTime: now, HeartbeatSeconds: 15, MaxMessageBytes: 16384, TokenExpiresAt: now + 60*minute,
			State: &protocol.State{Mitra: &protocol.MitraState{
				Mode: protocol.ModeOnline, Capacity: 1, MaxCapacity: 2,
				Offers: []protocol.Offer{offer()}, Sessions: []protocol.Session{mitrasSession()},
			}},
		}},
		{"welcome while the database is down", 0, &protocol.Welcome{
			Protocol: protocol.Subprotocol, ConnectionID: connID, UserID: mitraID, UserType: protocol.RoleMitra,
			ServerTime: now, HeartbeatSeconds: 15, MaxMessageBytes: 16384, TokenExpiresAt: now + 60*minute,
		}},
		{"ack without a result", 7, &protocol.Ack{}},
		{"ack of auth.refresh", 2, &protocol.Ack{TokenExpiresAt: now + 60*minute}},
		{"ack of state.get to a mitra with nothing", 128, &protocol.Ack{State: &protocol.State{
			Mitra: &protocol.MitraState{Mode: protocol.ModeOffline, MaxCapacity: 1},
		}}},
		{"ack of state.get to a customer with a session", 128, &protocol.Ack{State: &protocol.State{
			Customer: &protocol.CustomerState{Session: ptr(customersSession()), Available: 12},
		}}},
		{"error about a field", 9, &protocol.Error{Code: protocol.CodeBadMessage, Message: "must be a UUID of 36 characters", Field: "offer_id"}},
		{"error with a time to come back", 0, &protocol.Error{Code: protocol.CodeRateLimited, Message: "too many messages", RetryAfterMS: 1500}},
		{"error with the session in the way", 10, &protocol.Error{Code: protocol.CodeSessionLive, Message: "there is a live session", Session: ptr(customersSession())}},
		{"auth.expiring", 0, &protocol.AuthExpiring{TokenExpiresAt: now + minute}},
		{"draining", 0, &protocol.Draining{ReconnectAfterMS: 4200}},
	}
}

func presenceVectors() []vector {
	return []vector{
		{"presence.set online", 4, &protocol.PresenceSet{Mode: protocol.ModeOnline}},
		{"presence.set finishing", 5, &protocol.PresenceSet{Mode: protocol.ModeFinishing}},
		{"presence.set offline", 6, &protocol.PresenceSet{Mode: protocol.ModeOffline}},
		{"ack of presence.set", 4, &protocol.Ack{Mode: protocol.ModeOnline}},
		{"presence.update", 0, &protocol.PresenceUpdate{Mode: protocol.ModeOffline, Reason: protocol.PresenceIgnoredOffers, Version: 70000, At: now}},
		{"availability.subscribe", 7, &protocol.AvailabilitySubscribe{}},
		{"ack of availability.subscribe", 7, &protocol.Ack{Available: ptr(0), At: now}},
		{"availability.unsubscribe", 8, &protocol.AvailabilityUnsubscribe{}},
		{"availability of none", 0, &protocol.Availability{Available: 0, At: now}},
		{"availability of 128", 0, &protocol.Availability{Available: 128, At: now}},
		{"availability of a million", 0, &protocol.Availability{Available: 1_000_000, At: now}},
	}
}

func pairingVectors() []vector {
	return []vector{
		{"pairing.request", 11, &protocol.PairingRequest{RequestKey: "k-1", PackageID: packageID}},
		{"pairing.request with a note", 12, &protocol.PairingRequest{RequestKey: long('k', 64), PackageID: packageID, Note: "Halo, boleh cerita? 🙂"}},
		{"ack with a searching session", 11, &protocol.Ack{Session: ptr(searching())}},
		{"pairing.cancel", 13, &protocol.PairingCancel{SessionID: sessionID}},
		{"queue", 0, &protocol.Queue{SessionID: sessionID, Position: 3, At: now}},
		{"offer", 0, ptr(offer())},
		{"offer with a note", 0, &protocol.Offer{
			OfferID: offerID, SessionID: sessionID, DurationMinutes: 60, CustomerName: "Melati Ungu",
			Note: long('n', 500), ExpiresAt: now + minute/4, ServerTime: now,
		}},
		{"offer.received", 0, &protocol.OfferReceived{OfferID: offerID}},
		{"offer.accept", 14, &protocol.OfferAccept{OfferID: offerID}},
		{"offer.decline", 15, &protocol.OfferDecline{OfferID: offerID}},
		{"offer.decline with a reason", 16, &protocol.OfferDecline{OfferID: offerID, Reason: "break"}},
		{"offer.closed", 0, &protocol.OfferClosed{OfferID: offerID, SessionID: sessionID, Reason: protocol.OfferTaken}},
	}
}

func sessionVectors() []vector {
	return []vector{
		{"session.end", 17, &protocol.SessionEnd{SessionID: sessionID}},
		{"session.end with a reason", 18, &protocol.SessionEnd{SessionID: sessionID, Reason: "selesai"}},
		{"session.extend", 19, &protocol.SessionExtend{SessionID: sessionID, PackageID: packageID, RequestKey: "k-2"}},
		{"ack of session.extend", 19, &protocol.Ack{Session: ptr(customersSession()), Payment: ptr(payment())}},
		{"session.reroute", 20, &protocol.SessionReroute{SessionID: sessionID, Reason: "no answer"}},
		{"session.update to a customer", 0, &protocol.SessionUpdate{Session: customersSession()}},
		{"session.update to a mitra", 0, &protocol.SessionUpdate{Session: mitrasSession()}},
		{"session.update of one that is to be paid", 0, &protocol.SessionUpdate{Session: protocol.Session{
			SessionID: sessionID, Version: 2, Status: protocol.StatusPendingPayment, DurationMinutes: 60, Price: ptr(int64(50000)),
			Mitra: &protocol.MitraParty{MitraID: mitraID, DisplayName: "Sari"}, Payment: ptr(payment()),
			DeadlineAt: now + 5*minute, ServerTime: now,
		}}},
		{"session.update of one that ended", 0, &protocol.SessionUpdate{Session: protocol.Session{
			SessionID: sessionID, Version: 9007199254740992, Status: protocol.StatusEnded, DurationMinutes: 60, Price: ptr(int64(0)),
			Mitra: &protocol.MitraParty{MitraID: mitraID, DisplayName: "Sari"}, StartedAt: now, EndsAt: now + 60*minute,
			EndReason: protocol.EndExpired, ServerTime: now + 60*minute,
		}}},
	}
}

func offer() protocol.Offer {
	return protocol.Offer{
		OfferID: offerID, SessionID: sessionID, DurationMinutes: 60, CustomerName: "Bestie",
		ExpiresAt: now + minute/4, ServerTime: now,
	}
}

func payment() protocol.Payment {
	return protocol.Payment{PaymentID: paymentID, Status: protocol.PaymentOpen, CheckoutURL: "https://checkout.example/p/1", ExpiresAt: now + 5*minute}
}

func searching() protocol.Session {
	return protocol.Session{
		SessionID: sessionID, Version: 1, Status: protocol.StatusSearching, DurationMinutes: 60, Price: ptr(int64(0)),
		DeadlineAt: now + 2*minute, ServerTime: now,
	}
}

func customersSession() protocol.Session {
	return protocol.Session{
		SessionID: sessionID, Version: 3, Status: protocol.StatusActive, DurationMinutes: 60, Price: ptr(int64(0)),
		Mitra: &protocol.MitraParty{MitraID: mitraID, DisplayName: "Sari"}, StartedAt: now, EndsAt: now + 60*minute,
		EndingSoon: true, DeadlineAt: now + 60*minute, ServerTime: now,
	}
}

func mitrasSession() protocol.Session {
	s := customersSession()
	s.Price, s.Mitra, s.Customer = nil, nil, &protocol.CustomerParty{DisplayName: "Melati Ungu"}
	return s
}

// long is n times the same character.
func long(c byte, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = c
	}
	return string(text)
}
