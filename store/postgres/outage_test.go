package postgres_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/local"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// A server of its own, because this one is killed and frozen.
func TestOutage(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	server, err := local.Postgres(ctx, local.Options{Private: true, Durable: true, Dir: t.TempDir()})
	require.NoError(t, err)
	defer server.Stop()
	require.NoError(t, postgres.Migrate(ctx, server.URL(), slog.New(slog.DiscardHandler)))
	db := pgtest.Open(t, server.URL(), postgres.Options{})
	require.NoError(t, db.Seed().Packages(ctx))
	packages, err := db.Chat().Packages(ctx)
	require.NoError(t, err)
	customer := core.NewID[core.CustomerID]()
	pgtest.Exec(t, server.URL(), `insert into customers (id) values ($1)`, customer)
	request := pairing.Request{CustomerID: customer, Key: "k", PackageID: packages[0].ID}
	made, err := db.Pairing().Request(ctx, request, nil)
	require.NoError(t, err)

	require.NoError(t, server.Kill())
	_, err = db.Chat().Packages(ctx)
	code(t, err, core.Unavailable)
	_, err = db.Pairing().Cancel(ctx, made.ID, customer)
	code(t, err, core.Unavailable)
	require.NoError(t, server.Start(ctx))
	eventually(t, 5*time.Second, func() bool { return db.Ping(ctx) == nil }, "it is back")
	again, err := db.Pairing().Request(ctx, request, nil)
	require.NoError(t, err)
	require.Equal(t, made, again, "what was acknowledged is there")

	require.NoError(t, server.Pause())
	began := time.Now()
	_, err = db.Pairing().Cancel(ctx, made.ID, customer)
	code(t, err, core.Unavailable)
	require.Less(t, time.Since(began), 4*time.Second, "a frozen server costs the time of one call")
	require.NoError(t, server.Resume())
	eventually(t, 5*time.Second, func() bool { _, err := db.Pairing().Cancel(ctx, made.ID, customer); return err == nil }, "it goes on")
}
