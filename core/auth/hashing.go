package auth

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
)

// hashPatience is how long somebody waits for a place to hash in.
const hashPatience = 5 * time.Second

// hashing is the few places where bcrypt runs, so that a flood of sign-ins never takes the cores from the sockets. Places are
// given in the order of asking. A password takes hundreds of times as long as a refresh secret: of those one at most stands
// among the others, so that refreshes wait for one password and never for a queue of them.
type hashing struct {
	places    chan struct{}
	passwords chan struct{}
}

func newHashing(places int) *hashing {
	return &hashing{places: make(chan struct{}, places), passwords: make(chan struct{}, 1)}
}

// quick runs work of about a millisecond. OVERLOADED when no place gets free in time, UNAVAILABLE when ctx ends.
func (h *hashing) quick(ctx context.Context, work func()) error { return in(ctx, h.places, work) }

// slow runs work on a password.
func (h *hashing) slow(ctx context.Context, work func()) error {
	var inner error
	err := in(ctx, h.passwords, func() { inner = in(ctx, h.places, work) })
	if err == nil {
		err = inner
	}
	return err
}

func in(ctx context.Context, places chan struct{}, work func()) error {
	patience := time.NewTimer(hashPatience)
	defer patience.Stop()
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
		work()
		return nil
	case <-patience.C:
		return core.Errorf(core.Overloaded, "too many sign-ins at once")
	case <-ctx.Done():
		return core.Wrap(core.Unavailable, ctx.Err())
	}
}

// hash is bcrypt at its lowest cost: what it hides are 256 random bits, which need no slowing down.
func (s *Service) hash(ctx context.Context, secret string) (string, error) {
	var hash []byte
	var failed error
	err := s.hashing.quick(ctx, func() { hash, failed = bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost) })
	if err == nil && failed != nil {
		err = core.Wrap(core.Internal, fmt.Errorf("hash a refresh secret: %w", failed))
	}
	return string(hash), err
}

// matches compares a secret with its bcrypt hash.
func (s *Service) matches(ctx context.Context, hash, secret string) (same bool, err error) {
	err = s.hashing.quick(ctx, func() { same = bcrypt.CompareHashAndPassword([]byte(hash), []byte(secret)) == nil })
	return same, err
}
