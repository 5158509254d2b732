package admin

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Session is a chat session in a list.
type Session struct {
	ID           core.SessionID
	Version      int64
	Status       string
	CustomerID   core.CustomerID
	CustomerName string // the real one
	MitraID      core.MitraID
	MitraName    string
	PackageID    core.PackageID
	Minutes      int
	Price        int64
	Note         string
	Wave         int
	Waiting      bool
	EndReason    string
	CreatedAt    time.Time
	StartedAt    time.Time
	EndsAt       time.Time
	EndedAt      time.Time
	DeadlineAt   time.Time // the one that ends the status
}

// SessionFilter narrows the list of sessions. Zero fields do not.
type SessionFilter struct {
	Status   string
	Customer core.CustomerID
	Mitra    core.MitraID
	From, To time.Time // of the creation; To is not included
}

// Story is a session with everything that happened to it.
type Story struct {
	Session Session
	Events  []Event
	Waves   []Wave
	Offers  []Offer
}

// Event is a step of a session's life.
type Event struct {
	From, To  string // statuses; From is empty for the first
	ActorType string // customer, mitra, cc_user, system
	ActorID   core.UserID
	Reason    string
	Note      string // in the words of who did it
	At        time.Time
}

// Wave is one round of offers: whom it considered, and why each was taken or left.
type Wave struct {
	Number     int
	Offered    int
	Considered []Considered
	At         time.Time
}

// Considered is a mitra whom a wave looked at.
type Considered struct {
	MitraID   core.MitraID `json:"mitra_id"`
	MitraName string       `json:"-"`
	Why       string       `json:"why"` // offered, or the reason against it
}

// Offer is what a mitra was asked, and what became of it.
type Offer struct {
	ID            core.OfferID
	MitraID       core.MitraID
	MitraName     string
	Wave          int // 0: while the search was waiting
	Status        string
	DeclineReason string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	DeliveredAt   time.Time
	ClosedAt      time.Time
	ReroutedAt    time.Time
}

// Sessions lists sessions, newest first. BAD_MESSAGE of a filter or the page, UNAVAILABLE.
func (s *Service) Sessions(ctx context.Context, filter SessionFilter, page Page) (List[Session], error) {
	if !filter.From.IsZero() && !filter.To.IsZero() && !filter.From.Before(filter.To) {
		return List[Session]{}, core.FieldError("to", "must be after from")
	}
	read := func(ctx context.Context, span Span) ([]Session, error) {
		return s.stores.Sessions.Sessions(ctx, filter, span)
	}
	return list(ctx, page, Newest, read, func(x Session) Key { return Key{At: x.CreatedAt, ID: x.ID} })
}

// Story reads a session with its events, waves and offers. NOT_FOUND, UNAVAILABLE.
func (s *Service) Story(ctx context.Context, id core.SessionID) (Story, error) {
	return s.stores.Sessions.Story(ctx, id)
}

// maxNote bounds what an operator says about a step, in characters.
const maxNote = 500

// EndSession ends a live session, reason operator: an active one is ended, one that is searching or waits for its payment is
// cancelled. What was paid of its talk and not given becomes credit. Both sides are told. One that an operator ended already is given again. NOT_FOUND, WRONG_STATE with the
// session, UNAVAILABLE.
func (s *Service) EndSession(ctx context.Context, by core.Principal, id core.SessionID, note string) (Session, error) {
	return s.stores.Sessions.EndSession(ctx, by.Operator(), id, core.FirstChars(note, maxNote))
}
