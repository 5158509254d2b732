package pairing

import "github.com/halobestie/bestie-gateway/core"

// Why says why a candidate was not offered a session; Chosen when it was.
type Why string

// The reasons that GET /internal/sessions/:id tells.
const (
	Chosen        Why = "offered"
	NotOnlineMode Why = "not_online"
	Inactive      Why = "inactive"
	Busy          Why = "busy" // at capacity
	TooManyOffers Why = "too_many_offers"
	AlreadyAsked  Why = "already_asked"
	Surplus       Why = "not_needed" // eligible, but the wave was full
	Contended     Why = "contended"  // another search was just about to ask it
)

// MaxConsidered bounds the candidates that a wave records.
const MaxConsidered = 50

// Candidate is what Postgres knows of a mitra whom the mirror named, read under lock where offers are written.
type Candidate struct {
	MitraID    core.MitraID
	Online     bool // mode online
	Active     bool
	Capacity   int
	Max        int
	OpenOffers int
	Asked      bool // this session was offered before
}

// Judge tells whether a candidate may be offered the session, and if not, the first reason against it.
func (c Candidate) Judge(maxOpenOffers int) Why {
	switch {
	case c.Asked:
		return AlreadyAsked
	case !c.Active:
		return Inactive
	case !c.Online:
		return NotOnlineMode
	case c.Capacity >= c.Max:
		return Busy
	case c.OpenOffers >= maxOpenOffers:
		return TooManyOffers
	default:
		return Chosen
	}
}

// Considered is one line of the answer to "why was there no match?".
type Considered struct {
	MitraID core.MitraID `json:"mitra_id"`
	Why     Why          `json:"why"`
}
