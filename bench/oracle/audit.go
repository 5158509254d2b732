package oracle

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// Stores reads what the stores hold.
type Stores interface {
	// Audit reads all mitras and everything of sessions and modes since a time. The two stores are read one after the other.
	Audit(ctx context.Context, since time.Time) (Audit, error)
}

// Audit is both stores, side by side. Times are Unix ms.
type Audit struct {
	Now       int64 `json:"now"`        // Postgres's clock
	ValkeyNow int64 `json:"valkey_now"` // Valkey's
	Stale     int64 `json:"stale"`      // ms without a heartbeat after which a mitra is not available
	Available int   `json:"available"`  // the count that customers are told
	Fresh     int   `json:"fresh"`      // members of mitras:available above the freshness bound
	Waiting   int   `json:"waiting"`    // members of mitras:waiting
	Sockets   int   `json:"sockets"`    // fields of mitras:sockets

	Mitras   []Mitra   `json:"mitras"`
	Sessions []Session `json:"sessions"`
	Modes    []Change  `json:"modes"` // oldest first
	Books    Books     `json:"books"`
}

// Books is every rupiah that came in and went out, of all sessions there ever were.
type Books struct {
	Receipts  int64    `json:"receipts"`  // money that arrived
	Operators int64    `json:"operators"` // credit given by hand
	Funds     int64    `json:"funds"`     // put into sessions
	Prices    int64    `json:"prices"`    // of what was started
	Returned  int64    `json:"returned"`  // credited for talk that did not take place
	Balances  int64    `json:"balances"`  // customers' credit
	Refunds   int64    `json:"refunds"`
	Wrong     []string `json:"wrong"` // rows that do not go together
}

// Mitra is a row of Postgres and what the mirror says of it.
type Mitra struct {
	ID          protocol.UUID `json:"id"`
	Mode        protocol.Mode `json:"mode"`
	Active      bool          `json:"active"`
	Capacity    int           `json:"capacity"` // counted
	MaxCapacity int           `json:"max_capacity"`
	Epoch       int64         `json:"epoch"`
	Version     int64         `json:"version"`
	Mirror      Mirror        `json:"mirror"`
}

// takes tells whether the mitra may be offered sessions, its socket aside.
func (m Mitra) takes() bool {
	return m.Mode == protocol.ModeOnline && m.Active && m.Capacity < m.MaxCapacity
}

// Mirror is a mitra's keys in Valkey.
type Mirror struct {
	Online      bool   `json:"online"`
	Deactivated bool   `json:"deactivated"`
	Capacity    string `json:"capacity"` // as it stands there; "" none
	Version     int64  `json:"version"`
	Epoch       int64  `json:"epoch"` // of the live socket; 0 none
	Heartbeat   int64  `json:"heartbeat"`
	Available   *int64 `json:"available"` // score; null: not a member
	Waiting     *int64 `json:"waiting"`   // likewise
}

// Session is a row of chat_sessions.
type Session struct {
	ID       protocol.UUID          `json:"id"`
	Customer protocol.UUID          `json:"customer"`
	Mitra    protocol.UUID          `json:"mitra"` // zero: none
	Status   protocol.SessionStatus `json:"status"`
	Version  int64                  `json:"version"`
	Offers   []Offer                `json:"offers"`
}

func (s Session) live() bool { return !s.Status.Terminal() }

// Offer is a row of session_offers.
type Offer struct {
	ID       protocol.UUID `json:"id"`
	Mitra    protocol.UUID `json:"mitra"`
	Status   string        `json:"status"`
	Rerouted bool          `json:"rerouted"` // accepted, and the session went on to another mitra
	At       int64         `json:"at"`       // the transaction that made it began
}

// Change is a row of mitra_status_logs.
type Change struct {
	Mitra  protocol.UUID           `json:"mitra"`
	Mode   protocol.Mode           `json:"mode"`
	Active bool                    `json:"active"`
	Reason protocol.PresenceReason `json:"reason"`
	At     int64                   `json:"at"` // the transaction that made it began
}

func (c Change) present() bool { return c.Mode == protocol.ModeOnline && c.Active }
