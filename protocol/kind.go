// Package protocol is the wire between the gateway and the apps, bestie.v1.msgpack, in Go. It imports nothing else of the
// project; both sides of the wire can be written with it.
//
// # The conversation
//
// One WebSocket message is one msgpack array [kind, id, body]: what it is, the number that its answer repeats (0: no answer
// wanted, or an event of the server), and a map of fields, left out when there are none. A heartbeat is the three bytes
// 92 01 00.
//
//	app                                   gateway
//	 │ GET /ws, bestie.v1.msgpack ───────────► │
//	 │ ◄──────────────────────────── welcome    │  with the whole state of the user
//	 │ heartbeat ─────────────────────────────► │  every heartbeat_seconds
//	 │ [kind, 7, …] ──────────────────────────► │
//	 │ ◄──────── ack [65, 7, …] or error [66, 7, …]
//	 │ ◄──────────── events [offer, 0, …] …     │  at least once; duplicates are harmless
//	 │ ◄──────── draining, then close 1012      │  each CloseCode says what the app does next
//
// # Three steps from bytes to a struct
//
//	frame, err := protocol.Parse(msg)          // scans all of it; err: close 1007
//	code := protocol.Check(frame.Kind, role)   // UNKNOWN_KIND, FORBIDDEN or ""
//	var m protocol.PairingRequest
//	err = m.Decode(frame.Body)                 // *FieldError: BAD_MESSAGE naming the field, the socket stays
//
// The scan is what makes the rest safe: depth, counts and lengths are checked against the bytes that are really there before
// anything is allocated. Decoding then walks over bytes that are known to be well-formed.
//
// # One walk for three purposes
//
// Every message lists its fields once, in its fields method, in the order of the wire. The same walk writes the message,
// reads it and describes it for AsyncAPI, so the three cannot drift apart. It stands on the scan's own cursor rather than on a
// msgpack library: that takes a tenth of the time, allocates nothing but the strings of the result, and no library can ever
// meet an unscanned byte. vmihailenco/msgpack is the independent codec that the tests check this one against.
//
// Encoding is canonical: the smallest form of integers, lengths and counts, fields in the documented order, absent
// ones left out. Reading accepts any form of an integer and any order. Unknown fields are ignored by both sides.
package protocol

import "fmt"

// Subprotocol is the WebSocket subprotocol that both sides must speak.
const Subprotocol = "bestie.v1.msgpack"

// Kind says what a frame is. The list only grows.
type Kind uint64

// What an app sends. The answer stands behind each.
const (
	KindHeartbeat               Kind = 1  // ack, if it has an id
	KindAuthRefresh             Kind = 2  // ack {token_expires_at}
	KindPresenceSet             Kind = 3  // ack {mode}
	KindAvailabilitySubscribe   Kind = 4  // ack {available, at}, then availability
	KindAvailabilityUnsubscribe Kind = 5  // ack
	KindPairingRequest          Kind = 6  // ack {session}, error SESSION_LIVE
	KindPairingCancel           Kind = 7  // ack {session}
	KindOfferReceived           Kind = 8  // none: the delivery receipt, sent by the app's code and not by a person
	KindOfferAccept             Kind = 9  // ack {session}, error OFFER_TAKEN, OFFER_EXPIRED, OFFER_CANCELLED, AT_CAPACITY
	KindOfferDecline            Kind = 10 // ack
	KindSessionEnd              Kind = 11 // ack {session}
	KindSessionExtend           Kind = 12 // ack {session, payment}
	KindSessionReroute          Kind = 13 // ack {session}
	KindDeviceRegister          Kind = 14 // ack
	KindStateGet                Kind = 15 // ack {state}
)

// What the gateway sends.
const (
	KindWelcome        Kind = 64 // first frame of a socket
	KindAck            Kind = 65 // with the id of the request
	KindError          Kind = 66 // with the id of the request, 0: about the connection
	KindAvailability   Kind = 67 // how many mitras can be asked now; the newest one replaces an unsent one
	KindOffer          Kind = 68 // to a mitra: will you take this customer?
	KindOfferClosed    Kind = 69 // to a mitra: that offer is gone
	KindSessionUpdate  Kind = 70 // to both sides, also to the device that caused it
	KindPresenceUpdate Kind = 71 // to a mitra: its mode changed
	KindAuthExpiring   Kind = 72 // 60 s before the token expires
	KindDraining       Kind = 73 // the instance is going away; 1012 follows
	KindQueue          Kind = 74 // to a customer who waits, at most every 2 s
)

// Role is which app a user signed in to.
type Role string

// The two roles that hold sockets.
const (
	RoleCustomer Role = "customer"
	RoleMitra    Role = "mitra"
)

// Direction says who sends a kind.
type Direction uint8

// The two directions.
const (
	ToServer Direction = iota + 1
	ToClient
)

// Message is a pointer to one of the structs of this package.
type Message interface {
	// Kind is the message's number on the wire.
	Kind() Kind
	// Append appends the whole frame [kind, id, body] to dst. It allocates only when dst must grow.
	Append(dst []byte, id uint32) []byte
	// Decode replaces the message by what the body of a parsed Frame says. The error is a *FieldError.
	Decode(body []byte) error

	fields(f *fields)
}

// noAnswer is the Answer of a kind that is never answered.
const noAnswer = "none"

// Spec is one row of the table of kinds.
type Spec struct {
	Kind      Kind
	Name      string
	Direction Direction
	Customer  bool   // sent by, or sent to, customers
	Mitra     bool   // sent by, or sent to, mitras
	Answer    string // what a request is answered by
	Summary   string
	New       func() Message
}

// kinds is the table of protocol.md, indexed by kind.
var kinds = [...]Spec{
	KindHeartbeat:               {Name: "heartbeat", Direction: ToServer, Customer: true, Mitra: true, Answer: "ack if id is not 0", Summary: "Sign of life; any other frame is one too.", New: func() Message { return new(Heartbeat) }},
	KindAuthRefresh:             {Name: "auth.refresh", Direction: ToServer, Customer: true, Mitra: true, Answer: "ack {token_expires_at}", Summary: "Replaces the access token by a newer one of the same user and auth session.", New: func() Message { return new(AuthRefresh) }},
	KindPresenceSet:             {Name: "presence.set", Direction: ToServer, Mitra: true, Answer: "ack {mode}", Summary: "Switches the mitra's mode.", New: func() Message { return new(PresenceSet) }},
	KindAvailabilitySubscribe:   {Name: "availability.subscribe", Direction: ToServer, Customer: true, Answer: "ack {available, at}, then availability", Summary: "Starts the stream of available counts.", New: func() Message { return new(AvailabilitySubscribe) }},
	KindAvailabilityUnsubscribe: {Name: "availability.unsubscribe", Direction: ToServer, Customer: true, Answer: "ack", Summary: "Ends the stream of available counts.", New: func() Message { return new(AvailabilityUnsubscribe) }},
	KindPairingRequest:          {Name: "pairing.request", Direction: ToServer, Customer: true, Answer: "ack {session}, error SESSION_LIVE", Summary: "Asks for a mitra.", New: func() Message { return new(PairingRequest) }},
	KindPairingCancel:           {Name: "pairing.cancel", Direction: ToServer, Customer: true, Answer: "ack {session}", Summary: "Gives a search or an unpaid session up.", New: func() Message { return new(PairingCancel) }},
	KindOfferReceived:           {Name: "offer.received", Direction: ToServer, Mitra: true, Answer: noAnswer, Summary: "Delivery receipt, sent by the app's code at once.", New: func() Message { return new(OfferReceived) }},
	KindOfferAccept:             {Name: "offer.accept", Direction: ToServer, Mitra: true, Answer: "ack {session}, error OFFER_TAKEN / OFFER_EXPIRED / OFFER_CANCELLED / AT_CAPACITY", Summary: "Takes the customer; the first accept wins.", New: func() Message { return new(OfferAccept) }},
	KindOfferDecline:            {Name: "offer.decline", Direction: ToServer, Mitra: true, Answer: "ack", Summary: "Leaves the customer to others.", New: func() Message { return new(OfferDecline) }},
	KindSessionEnd:              {Name: "session.end", Direction: ToServer, Customer: true, Mitra: true, Answer: "ack {session}", Summary: "Ends an active session.", New: func() Message { return new(SessionEnd) }},
	KindSessionExtend:           {Name: "session.extend", Direction: ToServer, Customer: true, Answer: "ack {session, payment}", Summary: "Buys more minutes for an active session.", New: func() Message { return new(SessionExtend) }},
	KindSessionReroute:          {Name: "session.reroute", Direction: ToServer, Customer: true, Mitra: true, Answer: "ack {session}", Summary: "Looks for another mitra for a session.", New: func() Message { return new(SessionReroute) }},
	KindDeviceRegister:          {Name: "device.register", Direction: ToServer, Customer: true, Mitra: true, Answer: "ack", Summary: "Registers this device for pushes.", New: func() Message { return new(DeviceRegister) }},
	KindStateGet:                {Name: "state.get", Direction: ToServer, Customer: true, Mitra: true, Answer: "ack {state}", Summary: "Reads the state of welcome again.", New: func() Message { return new(StateGet) }},

	KindWelcome:        {Name: "welcome", Direction: ToClient, Customer: true, Mitra: true, Summary: "The first frame: who you are, the limits, the whole state (absent while the database is down).", New: func() Message { return new(Welcome) }},
	KindAck:            {Name: "ack", Direction: ToClient, Customer: true, Mitra: true, Summary: "The request was done; its result's fields.", New: func() Message { return new(Ack) }},
	KindError:          {Name: "error", Direction: ToClient, Customer: true, Mitra: true, Summary: "The request failed, or (id 0) something about the connection.", New: func() Message { return new(Error) }},
	KindAvailability:   {Name: "availability", Direction: ToClient, Customer: true, Summary: "How many mitras can be asked now.", New: func() Message { return new(Availability) }},
	KindOffer:          {Name: "offer", Direction: ToClient, Mitra: true, Summary: "A customer to take before expires_at.", New: func() Message { return new(Offer) }},
	KindOfferClosed:    {Name: "offer.closed", Direction: ToClient, Mitra: true, Summary: "An offer that is gone.", New: func() Message { return new(OfferClosed) }},
	KindSessionUpdate:  {Name: "session.update", Direction: ToClient, Customer: true, Mitra: true, Summary: "A session as it is now; drop it when its version is not above the one you hold.", New: func() Message { return new(SessionUpdate) }},
	KindPresenceUpdate: {Name: "presence.update", Direction: ToClient, Mitra: true, Summary: "The mitra's mode changed.", New: func() Message { return new(PresenceUpdate) }},
	KindAuthExpiring:   {Name: "auth.expiring", Direction: ToClient, Customer: true, Mitra: true, Summary: "The token is about to expire: send auth.refresh.", New: func() Message { return new(AuthExpiring) }},
	KindDraining:       {Name: "draining", Direction: ToClient, Customer: true, Mitra: true, Summary: "This instance goes away; reconnect that long after this frame.", New: func() Message { return new(Draining) }},
	KindQueue:          {Name: "queue", Direction: ToClient, Customer: true, Summary: "The position of a search that waits, from 1.", New: func() Message { return new(Queue) }},
}

// Kinds lists every kind in ascending order.
func Kinds() []Spec {
	var list []Spec
	for kind := range kinds {
		if spec, ok := Lookup(Kind(kind)); ok {
			list = append(list, spec)
		}
	}
	return list
}

// Lookup finds a kind's row; false: there is no such kind.
func Lookup(k Kind) (Spec, bool) {
	if k >= Kind(len(kinds)) || kinds[k].New == nil {
		return Spec{}, false
	}
	spec := kinds[k]
	spec.Kind = k
	return spec, true
}

// String is the kind's name, or its number when it is unknown.
func (k Kind) String() string {
	if spec, ok := Lookup(k); ok {
		return spec.Name
	}
	return fmt.Sprintf("kind %d", uint64(k))
}

// From tells whether an app of that role may send the kind.
func (k Kind) From(role Role) bool { return Check(k, role) == "" }

// Check says why an app of that role may not send the kind: CodeUnknownKind when no app may, CodeForbidden when another
// role may, "" when it may. It does not allocate.
func Check(k Kind, role Role) ErrorCode {
	if k >= Kind(len(kinds)) || kinds[k].Direction != ToServer {
		return CodeUnknownKind
	}
	if spec := &kinds[k]; role == RoleMitra && spec.Mitra || role == RoleCustomer && spec.Customer {
		return ""
	}
	return CodeForbidden
}
