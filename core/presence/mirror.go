package presence

import (
	"errors"
	"time"

	"github.com/halobestie/bestie-gateway/core"
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
	Waiting     int // of the available, those with a socket
	Sockets     int
	Whole       bool // false: the mirror was out, and Postgres knows nothing of sockets: Waiting and Sockets are 0
}

// NamedAtMost is how many of the things that a reseed mended its log line names.
const NamedAtMost = 20

// Removed is what a reseed took out of the mirror because it names nobody.
type Removed struct {
	Count int
	Which []string // the first of them, as "key member", fit for a log
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

// Socket is a mitra's live socket: of several, the one with the highest epoch counts.
type Socket struct {
	MitraID core.MitraID
	Epoch   int64
}

// Drop says how a mitra's socket went away, and thereby how long the mitra still counts as available.
type Drop uint8

// Whatever it is, the mitra gets no new offers from then on. Its mode stays until the auto-offline sweep.
const (
	Suspect Drop = iota // without a clean close, or closed by us: counts until Config.Grace is over
	Clean               // the app's own 1000 or 1001: leaves the count at once, the heartbeat is forgotten
	Stale               // silent for the idle time (4200): its grace is over
)

// Dropped is a socket that went away at a time of the cluster's clock.
type Dropped struct {
	Socket
	How Drop
	At  time.Time
}
