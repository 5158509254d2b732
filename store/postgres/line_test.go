package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// All connections are held by statements that wait for a lock: nobody piles up behind them.
func TestLine_AJamIsToldSoon(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	db := pgtest.Open(t, url, postgres.Options{MaxConns: 2})
	locker, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer locker.Close(context.Background())
	_, err = locker.Exec(t.Context(), `begin; lock table session_packages in access exclusive mode`)
	require.NoError(t, err)

	stop, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	defer callers.Wait()
	defer cancel()
	for range 6 { // more than there are connections, again and again
		callers.Go(func() {
			for stop.Err() == nil {
				_, _ = db.Chat().Packages(stop)
			}
		})
	}
	eventually(t, 20*time.Second, func() bool {
		began := time.Now()
		err := db.Ping(t.Context())
		return core.CodeOf(err) == core.Unavailable && time.Since(began) < time.Second
	}, "who comes later does not wait for two seconds")
	_, err = locker.Exec(t.Context(), `rollback`)
	require.NoError(t, err)
	cancel()
	eventually(t, 20*time.Second, func() bool { return db.Ping(t.Context()) == nil }, "and it goes on")
}

// A burst is no jam: two connections serve a hundred callers, and all of them are served.
func TestLine_ABurstIsServed(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t, pgtest.URL(t), postgres.Options{MaxConns: 2})
	require.NoError(t, db.Ping(t.Context()))
	var callers sync.WaitGroup
	errs := make([]error, 100)
	for i := range errs {
		callers.Go(func() { _, errs[i] = db.Chat().Packages(t.Context()) })
	}
	callers.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}
