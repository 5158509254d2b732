package auth_test

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func TestMain(m *testing.M) {
	// bcrypt is fifteen times as slow under the race detector. More with -rapid.checks.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// bench is a service on fakes.
type bench struct {
	*auth.Service
	store  *memory
	phones *phones
	apple  *provider
	clock  *clock
}

var (
	secretA = bytes.Repeat([]byte("a"), 32)
	secretB = bytes.Repeat([]byte("b"), 32)
	secretC = bytes.Repeat([]byte("c"), 32)
)

func setup(t testing.TB) *bench {
	t.Helper()
	c := newClock()
	b := &bench{store: newMemory(c), phones: &phones{codes: make(chan sent, 1000)}, clock: c, apple: &provider{revoked: make(chan string, 100)}}
	b.Service = b.with(t, auth.Config{Secret: secretA, PasswordCost: bcrypt.MinCost})
	return b
}

// with makes a further instance on the same store.
func (b *bench) with(t testing.TB, cfg auth.Config) *auth.Service {
	t.Helper()
	s, err := auth.New(cfg, auth.Deps{
		Accounts: b.store, Sessions: b.store, Codes: b.store, Operators: b.store, Customers: b.store, Tests: b.store, Sender: b.phones,
		Google: b.apple, Apple: b.apple, Grants: b.apple, AppleTokens: b.store,
		Settings: core.DefaultSettings, Clock: b.clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return s
}

// run runs the service until the test ends.
func (b *bench) run(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, nil) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
}

func requireCode(t testing.TB, want core.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, core.CodeOf(err), "%v", err)
}
