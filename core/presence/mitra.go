package presence

import (
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Mode is the mitra's own durable switch.
type Mode string

// online: gets offers. finishing: holds its sessions, gets no new offers, goes offline after the last. offline: its
// sessions go on.
const (
	Online    Mode = "online"
	Finishing Mode = "finishing"
	Offline   Mode = "offline"
)

// Valid tells whether m is one of the three.
func (m Mode) Valid() bool { return m == Online || m == Finishing || m == Offline }

// Reason says why a mode changed.
type Reason string

// The reasons of presence.update.
const (
	Self             Reason = "self"
	Finished         Reason = "finished" // finishing, and the last session ended
	HeartbeatTimeout Reason = "heartbeat_timeout"
	IgnoredOffers    Reason = "ignored_offers"
	Deactivated      Reason = "deactivated"
	ByOperator       Reason = "operator"
)

// Mitra is what Postgres says of a mitra and the mirror repeats.
type Mitra struct {
	ID              core.MitraID
	Mode            Mode
	Active          bool // is_active
	Capacity        int  // active + pending_payment sessions, counted
	MaxCapacity     int
	AvailableSince  time.Time // became available, or was last offered
	LastHeartbeatAt time.Time // as Postgres knows it: up to a mirror interval old
	ConnectionEpoch int64
	Version         int64 // bumped by every transition: a mirror write with an older one loses
}

// IsOnline is the first backend's is_online: the mode is not offline.
func (m Mitra) IsOnline() bool { return m.Mode != Offline }

// Takes tells whether the mitra may be offered sessions, heartbeat aside.
func (m Mitra) Takes() bool { return m.Mode == Online && m.Active && m.Capacity < m.MaxCapacity }

// Change is a mode that changed. It travels as the body of core.PresenceChanged.
type Change struct {
	Mode    Mode      `json:"mode"`
	Reason  Reason    `json:"reason"`
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
}

// Replaced says that a newer socket of the same mitra is up: those with a lower epoch close. It travels as the body of
// core.MitraReplaced.
type Replaced struct {
	Epoch int64 `json:"epoch"`
}

// Heartbeat is the last time that a mitra's socket showed life.
type Heartbeat struct {
	MitraID core.MitraID
	At      time.Time
}
