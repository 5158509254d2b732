package chat

import (
	"context"
	"log/slog"
	"sync/atomic"
	"unicode/utf8"

	"github.com/halobestie/bestie-gateway/core"
)

// Service is the sessions' room. Its methods may be called concurrently; Run is called once.
type Service struct {
	store     Store
	deadlines Deadlines
	searches  Searches
	log       *slog.Logger
	wake      chan struct{} // holds a token when Run is to look at once

	fired    atomic.Uint64
	failed   atomic.Uint64
	rerouted atomic.Uint64
}

// NewService makes the room; searches is told of the waves and searches that are over.
func NewService(store Store, deadlines Deadlines, searches Searches, log *slog.Logger) *Service {
	return &Service{store: store, deadlines: deadlines, searches: searches, log: log, wake: make(chan struct{}, 1)}
}

// Live reads the live sessions of a user, oldest first: at most one for a customer. UNAVAILABLE.
func (s *Service) Live(ctx context.Context, who core.Principal) ([]Session, error) {
	return s.store.Live(ctx, who)
}

// MaxEndReason bounds what a side may say when it ends a session, in characters.
const MaxEndReason = 500

// End ends an active session for one of its two sides; note is kept in the session's history, cut to MaxEndReason
// characters. NOT_FOUND, WRONG_STATE (a StateError), UNAVAILABLE.
func (s *Service) End(ctx context.Context, id core.SessionID, by core.Principal, note string) (Session, error) {
	return s.store.End(ctx, id, by, core.FirstChars(note, MaxEndReason))
}

// Reroute looks for another mitra for an active or pending_payment session, for one of its two sides or an operator; note is kept,
// cut to MaxEndReason characters. The first wave of the new search runs at once. Repeating it gives the session again. NOT_FOUND,
// WRONG_STATE (a StateError), UNAVAILABLE.
func (s *Service) Reroute(ctx context.Context, id core.SessionID, by core.Principal, note string) (Session, error) {
	session, err := s.store.Reroute(ctx, id, by, core.FirstChars(note, MaxEndReason))
	if err == nil {
		s.Wake()
	}
	return session, err
}

// MaxKey bounds an extension's idempotency key, in characters.
const MaxKey = 64

// Extend asks for more minutes of an active session. The session that it gives shows what is to be paid; a free package's minutes are
// there at once. BAD_MESSAGE naming the field, NOT_FOUND, WRONG_STATE (a StateError), EXTENSION_PENDING, PACKAGE_UNAVAILABLE,
// KEY_REUSED, UNAVAILABLE.
func (s *Service) Extend(ctx context.Context, e Extension) (Session, error) {
	switch {
	case e.Key == "" || utf8.RuneCountInString(e.Key) > MaxKey:
		return Session{}, core.FieldError("request_key", "must be 1 to %d characters", MaxKey)
	case e.PackageID.IsZero():
		return Session{}, core.FieldError("package_id", "is missing")
	}
	return s.store.Extend(ctx, e)
}

// Packages lists what is on sale, cheapest first. UNAVAILABLE.
func (s *Service) Packages(ctx context.Context) ([]Package, error) {
	return s.store.Packages(ctx)
}

// Stats are counters since the start.
type Stats struct {
	DeadlinesFired  uint64 // steps taken for a due session, also those that found another instance had been first
	DeadlinesFailed uint64 // steps that failed and are tried again
	RerouteAbsent   uint64 // sessions taken from mitras who were gone too long
}

// Stats may be called at any time.
func (s *Service) Stats() Stats {
	return Stats{DeadlinesFired: s.fired.Load(), DeadlinesFailed: s.failed.Load(), RerouteAbsent: s.rerouted.Load()}
}
