package core

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
)

// EventVersion is the version of the event's JSON. An instance counts and drops what it does not know, so two builds can
// run on one bus while a roll-out lasts.
const EventVersion = 1

// EventKind says what happened and thereby which type Body holds.
type EventKind string

// The events, each addressed to one user.
const (
	SessionUpdated  EventKind = "session.updated"  // chat.Session, to its customer and to its mitra (also the one who just lost it)
	OfferMade       EventKind = "offer.made"       // pairing.Offer, to the mitra
	OfferClosed     EventKind = "offer.closed"     // pairing.Closed, to the mitra
	PresenceChanged EventKind = "presence.changed" // presence.Change, to the mitra
	MitraReplaced   EventKind = "mitra.replaced"   // presence.Replaced, to the mitra: lower epochs close
	AuthRevoked     EventKind = "auth.revoked"     // auth.Revoked, to the user whose auth sessions ended
)

// Event is something that happened to one user, as it travels from the transaction that caused it through the outbox
// and the bus to the instance that holds the user's socket. It arrives at least once while the socket is up; receivers
// must take duplicates.
type Event struct {
	ID      int64           `json:"id"` // the outbox row; grows, but commits out of order
	Version int             `json:"v"`
	Kind    EventKind       `json:"kind"`
	To      UserID          `json:"to"`
	Body    json.RawMessage `json:"body"`
}

// NewEvent makes an event with body as its JSON. The outbox gives it its id.
func NewEvent(kind EventKind, to UserID, body any) (Event, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Event{}, fmt.Errorf("encode %s: %w", kind, err)
	}
	return Event{Version: EventVersion, Kind: kind, To: to, Body: raw}, nil
}

// EventChannels is the fixed number of channels that events spread over (valkey.md, "Bus").
const EventChannels = 64

// Channel is the number of the bus channel that events for a user travel on: 0 to EventChannels-1, the same on every
// instance and in every version.
func Channel(to UserID) int {
	h := fnv.New32a()
	h.Write(to[:])
	return int(h.Sum32() % EventChannels)
}
