package rest_test

import (
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// cpu is what this process has used of its cores so far: ours and the driver's work, not Postgres's.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkRefresh is a family that is refreshed again and again, on a real Postgres: 200 a second are to fit on one core.
func BenchmarkRefresh(b *testing.B) {
	db := pgtest.Open(b, pgtest.URL(b), postgres.Options{})
	accounts := db.Accounts()
	service, err := auth.New(auth.Config{Secret: secret}, auth.Deps{
		Accounts: accounts, Sessions: accounts, Codes: accounts, Operators: accounts, Customers: accounts,
		Settings: db.Settings().Current, Clock: core.SystemClock, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(b, err)
	tokens, err := service.SignInAnonymous(b.Context(), auth.Device{})
	require.NoError(b, err)
	before := cpu(b)
	for b.Loop() {
		tokens, err = service.Refresh(b.Context(), tokens.Refresh, auth.Device{})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N)/(cpu(b)-before).Seconds(), "refreshes/core-s")
}
