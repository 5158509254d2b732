package chat

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/halobestie/bestie-gateway/core"
)

// Service is the sessions' room. Its methods may be called concurrently; Run is called once.
type Service struct {
	store     Store
	deadlines Deadlines
	searches  Searches
	log       *slog.Logger
	wake      chan struct{} // holds a token when Run is to look at once

	fired  atomic.Uint64
	failed atomic.Uint64
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

// Packages lists what is on sale, cheapest first. UNAVAILABLE.
func (s *Service) Packages(ctx context.Context) ([]Package, error) {
	return s.store.Packages(ctx)
}

// Stats are counters since the start.
type Stats struct {
	DeadlinesFired  uint64 // steps taken for a due session, also those that found another instance had been first
	DeadlinesFailed uint64 // steps that failed and are tried again
}

// Stats may be called at any time.
func (s *Service) Stats() Stats {
	return Stats{DeadlinesFired: s.fired.Load(), DeadlinesFailed: s.failed.Load()}
}
