package presence

import (
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

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
