package pairing

import (
	"context"
	"log/slog"
	"sync/atomic"
	"unicode/utf8"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// Limits of what a customer and a mitra may say.
const (
	MaxKey           = 64  // characters of a request's key
	MaxNote          = 500 // characters of a customer's note
	MaxDeclineReason = 500 // characters of a mitra's reason
)

// Service is the pairing room. Its methods may be called concurrently; Run is called once.
type Service struct {
	searches   Searches
	offers     Offers
	queue      Queue
	candidates Candidates
	line       Line
	settings   func() core.Settings
	log        *slog.Logger

	freed freed // mitras to be offered what waits

	waves, waitingServed, expired, unmatched atomic.Uint64
}

// NewService makes the room. settings gives the current app_config.
func NewService(searches Searches, offers Offers, queue Queue, candidates Candidates, line Line,
	settings func() core.Settings, log *slog.Logger,
) *Service {
	return &Service{
		searches: searches, offers: offers, queue: queue, candidates: candidates, line: line,
		settings: settings, log: log, freed: newFreed(),
	}
}

// Request starts a search and its first wave. The same key with the same content gives the session that it made, as
// it is now. BAD_MESSAGE naming the field, SESSION_LIVE (a chat.StateError), KEY_REUSED, PACKAGE_UNAVAILABLE,
// UNAVAILABLE.
func (s *Service) Request(ctx context.Context, r Request) (chat.Session, error) {
	if err := r.check(); err != nil {
		return chat.Session{}, err
	}
	candidates, err := s.candidates.FindAvailable(ctx, MaxConsidered, nil)
	if err != nil {
		return chat.Session{}, err
	}
	session, err := s.searches.Request(ctx, r, candidates)
	if err == nil {
		s.waves.Add(1)
	}
	return session, err
}

func (r Request) check() error {
	switch {
	case r.Key == "" || utf8.RuneCountInString(r.Key) > MaxKey:
		return core.FieldError("request_key", "must be 1 to %d characters", MaxKey)
	case utf8.RuneCountInString(r.Note) > MaxNote:
		return core.FieldError("note", "must be at most %d characters", MaxNote)
	case r.PackageID.IsZero():
		return core.FieldError("package_id", "is missing")
	}
	return nil
}

// Cancel ends a search, or a session that waits for its payment, for its customer; its open offers are withdrawn.
// Repeating it gives the session again. NOT_FOUND, WRONG_STATE (a chat.StateError), UNAVAILABLE.
func (s *Service) Cancel(ctx context.Context, id core.SessionID, by core.CustomerID) (chat.Session, error) {
	return s.searches.Cancel(ctx, id, by)
}

// Open reads a mitra's open offers, oldest first. UNAVAILABLE.
func (s *Service) Open(ctx context.Context, mitra core.MitraID) ([]Offer, error) {
	return s.offers.Open(ctx, mitra)
}

// Received notes that an offer has reached the mitra's app. NOT_FOUND, UNAVAILABLE.
func (s *Service) Received(ctx context.Context, id core.OfferID, mitra core.MitraID) error {
	return s.offers.Received(ctx, id, mitra)
}

// Accept makes the mitra the session's, if it is the first; epoch is that of the socket that asks. The winner who repeats
// it gets the session again. The codes are those of Offers.
func (s *Service) Accept(ctx context.Context, id core.OfferID, mitra core.MitraID, epoch int64) (chat.Session, error) {
	return s.offers.Accept(ctx, id, mitra, epoch)
}

// Decline closes an offer for this mitra alone; reason is kept, cut to MaxDeclineReason characters. Repeating it does nothing.
// NOT_FOUND, UNAVAILABLE.
func (s *Service) Decline(ctx context.Context, id core.OfferID, mitra core.MitraID, reason string) error {
	return s.offers.Decline(ctx, id, mitra, core.FirstChars(reason, MaxDeclineReason))
}

// Stats are counters since the start.
type Stats struct {
	Waves         uint64 // run by this instance, first ones included
	WaitingServed uint64 // offers of waiting searches to mitras who became free
	OffersExpired uint64
	Unmatched     uint64 // searches whose time was over
	FreedPending  uint64 // mitras who are free and not yet offered what waits: a level, not a counter
}

// Stats may be called at any time.
func (s *Service) Stats() Stats {
	return Stats{
		Waves:         s.waves.Load(),
		WaitingServed: s.waitingServed.Load(),
		OffersExpired: s.expired.Load(),
		Unmatched:     s.unmatched.Load(),
		FreedPending:  uint64(s.freed.len()),
	}
}
