package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// BenchmarkLifecycle is a whole free session: request with five offers, their receipts, accept, end. Several run at once,
// each with mitras of its own.
func BenchmarkLifecycle(b *testing.B) {
	url := pgtest.URL(b)
	db := pgtest.Open(b, url, postgres.Options{MaxConns: 16})
	ctx := context.Background()
	require.NoError(b, db.Seed().Packages(ctx))
	packages, err := db.Chat().Packages(ctx)
	require.NoError(b, err)
	pgtest.Exec(b, url, `insert into mitras (id, phone, display_name, mode, last_heartbeat_at, available_since, connection_epoch)
		select gen_random_uuid(), '+628' || 100000000 + n, 'M', 'online', now(), now(), 1 from generate_series(1, 5000) n`)
	lives := make(chan []core.MitraID, 1000)
	mitras, err := db.Presence().FindAvailable(ctx, 5000, nil, 1e12)
	require.NoError(b, err)
	for i := 0; i < len(mitras); i += 5 {
		lives <- mitras[i : i+5]
	}
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			asked := <-lives
			if err := lifecycle(ctx, db, packages[0].ID, asked); err != nil {
				b.Error(err)
				return
			}
			lives <- asked
		}
	})
}

func lifecycle(ctx context.Context, db *postgres.DB, pack core.PackageID, mitras []core.MitraID) error {
	customer := core.NewID[core.CustomerID]()
	if err := db.AddCustomer(ctx, customer); err != nil {
		return err
	}
	s, err := db.Pairing().Request(ctx, pairing.Request{CustomerID: customer, Key: "k", PackageID: pack}, mitras)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	var won core.OfferID
	for _, m := range mitras {
		offers, err := db.Pairing().Open(ctx, m)
		if err != nil || len(offers) == 0 {
			return fmt.Errorf("open: %d offers, %w", len(offers), err)
		}
		won = offers[0].ID
		if err := db.Pairing().Received(ctx, won, m); err != nil {
			return fmt.Errorf("received: %w", err)
		}
	}
	winner := mitras[len(mitras)-1]
	if _, err = db.Pairing().Accept(ctx, won, winner, 1); err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	if _, err = db.Chat().End(ctx, s.ID, as(core.Mitra, winner), ""); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}
