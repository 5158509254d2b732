package auth

import (
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// denySlack is how much longer than an access token's life a revocation is remembered: clocks differ.
	denySlack = 60 * time.Second
	// denyPoll is how often the store is asked what was revoked, besides the events: the bound when the bus is down.
	denyPoll = 30 * time.Second
)

// RevokeReason says why an auth session ended before its time.
type RevokeReason string

// The reasons, as the rows of auth_sessions keep them.
const (
	LoggedOut   RevokeReason = "logout"
	Theft       RevokeReason = "theft" // an older refresh token came back
	Deactivated RevokeReason = "deactivated"
	PasswordSet RevokeReason = "reset"
	ByOperator  RevokeReason = "operator"
	Deleted     RevokeReason = "deleted"
)

// Revoked says that auth sessions of one user are over: their sockets close with 4102, their access tokens are refused. It
// travels as the body of core.AuthRevoked, in the transaction that revokes.
type Revoked struct {
	Sessions []core.AuthSessionID `json:"sessions"`
	Reason   RevokeReason         `json:"reason"`
	At       time.Time            `json:"at"`
}

// Revocation is one revoked auth session as the store lists it.
type Revocation struct {
	Session core.AuthSessionID
	User    core.UserID
	Reason  RevokeReason
	Ago     time.Duration // by the store's clock
}

// denyList holds the auth sessions whose access tokens may still be valid but are refused.
type denyList struct {
	keep time.Duration

	mu     sync.RWMutex
	until  map[core.AuthSessionID]time.Time // guarded by mu
	loaded time.Time                        // the last load that worked; guarded by mu
}

func newDenyList(keep time.Duration) *denyList {
	return &denyList{keep: keep, until: make(map[core.AuthSessionID]time.Time)}
}

// add denies a session and tells whether it was not denied before.
func (d *denyList) add(session core.AuthSessionID, revokedAt time.Time) (isNew bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, known := d.until[session]
	if until := revokedAt.Add(d.keep); until.After(before) {
		d.until[session] = until
	}
	return !known
}

func (d *denyList) has(session core.AuthSessionID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, denied := d.until[session]
	return denied
}

func (d *denyList) len() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.until)
}

// missing is how far back the store has to be read.
func (d *denyList) missing(now time.Time) time.Duration {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.loaded.IsZero() {
		return d.keep
	}
	// Rows commit out of order: the overlap finds those that were in flight at the last look.
	return min(d.keep, now.Sub(d.loaded)+denySlack)
}

// load adds what the store told at the given time, drops those whose last access token has ended, and tells what it did not know.
func (d *denyList) load(found []Revocation, now time.Time) (news []Revocation) {
	for _, revocation := range found {
		if d.add(revocation.Session, now.Add(-revocation.Ago)) {
			news = append(news, revocation)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loaded = now
	for session, until := range d.until {
		if now.After(until) {
			delete(d.until, session)
		}
	}
	return news
}

// Denied tells whether an auth session is over, as far as this instance knows. It never blocks.
func (s *Service) Denied(session core.AuthSessionID) bool { return s.denied.has(session) }

// Deny refuses the access tokens of revoked auth sessions from now on. It is called for every core.AuthRevoked that
// arrives; it never blocks and takes duplicates.
func (s *Service) Deny(revoked Revoked) {
	now := s.deps.Clock()
	for _, session := range revoked.Sessions {
		s.denied.add(session, now)
	}
}

// LoadDenied reads what was revoked within an access token's life, or since the last successful call. Call it before the
// listeners are bound; Run repeats it. UNAVAILABLE.
func (s *Service) LoadDenied(ctx context.Context) error {
	_, err := s.loadDenied(ctx)
	return err
}

func (s *Service) loadDenied(ctx context.Context) (news []Revocation, err error) {
	now := s.deps.Clock()
	found, err := s.deps.Sessions.RevokedWithin(ctx, s.denied.missing(now))
	if err != nil {
		return nil, err
	}
	return s.denied.load(found, now), nil
}
