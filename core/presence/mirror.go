package presence

import (
	"errors"
	"time"
)

// The mirror's own failures. Others are the driver's.
var (
	// ErrUnseeded says that the mirror holds no complete copy: this Valkey is new, or was emptied.
	ErrUnseeded = errors.New("presence: the mirror is not seeded")
	// ErrDown says that the mirror was not asked, since its breaker is open.
	ErrDown = errors.New("presence: the mirror is down")
)

// Pulse is what a look at Valkey tells.
type Pulse struct {
	Epoch         string // of the last seed; "" when the mirror is not seeded
	Subscriptions uint64 // how often the bus was subscribed: more than before means that the connection was lost
}

// Availability is the count of available mitras at a time of the cluster's clock.
type Availability struct {
	Count int
	At    time.Time
}

// Counts are the dashboard's numbers.
type Counts struct {
	Online      int
	Deactivated int
	Available   int
	Waiting     int
	Sockets     int
}

// Write says how a mirror write treats what stands there.
type Write uint8

// Both write a mitra whose version is not below the mirror's.
const (
	Through Write = iota // after a transition or a new socket
	Mend                 // a seed or reseed: into waiting only who beat within the grace, and what differed is counted
)

// Outcome is what a mirror write did for one mitra.
type Outcome struct {
	Held    int64 // not 0: nothing was written, the mirror holds this higher version
	Changed int   // keys or members that differed
	Socket  bool  // the mitra has a live socket on some instance
	Unheard bool  // it became available without a heartbeat on record, so it does not count until it beats
}
