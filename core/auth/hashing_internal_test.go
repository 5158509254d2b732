package auth

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
)

// Nobody's password takes as long as somebody's.
func TestNobodysHash(t *testing.T) {
	t.Parallel()
	cost, err := bcrypt.Cost([]byte(nobodysHash))
	require.NoError(t, err)
	require.Equal(t, defaultPasswordCost, cost)
}

// busy keeps at work until the channel is closed.
func busy(until <-chan struct{}) func() { return func() { <-until } }

func idle() {}

// However many passwords wait, one of them at most keeps a place from refresh secrets.
func TestHashing_OnePasswordAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, done := newHashing(2), make(chan struct{})
		answers := make(chan error, 20)
		for range cap(answers) {
			go func() { answers <- h.slow(t.Context(), busy(done)) }()
		}
		synctest.Wait()
		require.Len(t, h.places, 1)
		for range 100 {
			require.NoError(t, h.quick(t.Context(), idle))
		}
		close(done)
		for range cap(answers) {
			require.NoError(t, <-answers)
		}
	})
}

func TestHashing_ErrOverloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, done := newHashing(1), make(chan struct{})
		go func() { _ = h.quick(context.Background(), busy(done)) }()
		synctest.Wait()
		began := time.Now()
		for _, hash := range []func(context.Context, func()) error{h.quick, h.slow} {
			require.Equal(t, core.Overloaded, core.CodeOf(hash(t.Context(), idle)))
		}
		require.Equal(t, 2*hashPatience, time.Since(began))
		close(done)
		synctest.Wait()
		require.NoError(t, h.slow(t.Context(), idle))
	})
}

func TestHashing_ErrGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, done := newHashing(1), make(chan struct{})
		go func() { _ = h.slow(context.Background(), busy(done)) }()
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, hash := range []func(context.Context, func()) error{h.quick, h.slow} {
			require.Equal(t, core.Unavailable, core.CodeOf(hash(gone, idle)))
		}
		close(done)
	})
}
