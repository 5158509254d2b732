package postgres_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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

// An instance stands still in the middle of a transaction: the others do not wait for it for ever.
func TestOutage_AnInstanceStandsStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mitra := w.mitra()
	locked, goOn := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- w.db.InTx(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `select from mitras where id = $1 for update`, mitra)
			close(locked)
			<-goOn
			return err
		})
	}()
	<-locked
	other := w.second()
	eventually(t, 10*time.Second, func() bool { _, err := other.Presence().Connect(t.Context(), mitra); return err == nil }, "the lock goes")
	close(goOn)
	code(t, <-ended, core.Unavailable)
}
