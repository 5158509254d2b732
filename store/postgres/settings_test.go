package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestSettings_BadRowsAreIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into app_config (key, value) values ('pairing_wave_size', '7'), ('pairing_wave_seconds', '1000'),
		('otp_ttl_seconds', '"soon"'), ('customer_anonymity', '5'), ('no_such_setting', '{}'), ('mitra_max_capacity', '2.5')`)
	require.NoError(t, w.db.Settings().Load(t.Context()))
	want := core.DefaultSettings()
	want.WaveSize = 7
	require.Equal(t, want, w.db.Settings().Current())
}

func TestSettings_PutHoldsElsewhereSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = other.Settings().Run(ctx) })
	defer running.Wait()
	defer cancel()
	w.set("pairing_wave_size", 9)
	w.set(core.AnonymityKey, core.RealName)
	require.Equal(t, 9, w.db.Settings().Current().WaveSize, "here at once")
	eventually(t, 5*time.Second, func() bool {
		s := other.Settings().Current()
		return s.WaveSize == 9 && s.CustomerAnonymity == core.RealName
	}, "there within seconds")
}

func TestSettings_ErrPut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for key, v := range map[string]any{"pairing_wave_size": 0, "no_such_setting": 1, "otp_ttl_seconds": "x", core.AnonymityKey: "nobody"} {
		code(t, w.db.Settings().Put(t.Context(), key, v, core.OperatorID{}), core.BadMessage)
	}
	require.Zero(t, value[int](w, `select count(*) from app_config`))
}

func TestSeed_Config(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_wave_size", 9)
	require.NoError(t, w.db.Seed().Config(t.Context()))
	require.NoError(t, w.db.Settings().Load(t.Context()))
	want := core.DefaultSettings()
	want.WaveSize = 9
	require.Equal(t, want, w.db.Settings().Current(), "what an operator set stays")
	require.Equal(t, len(core.SettingsTable), value[int](w, `select count(*) from app_config`))
}

func TestSeed_OperatorAndMitra(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, hash := range []string{"first", "second"} {
		require.NoError(t, w.db.Seed().Operator(t.Context(), "Admin@Halo.test", hash))
		require.NoError(t, w.db.Seed().Mitra(t.Context(), "+6281200000001", "Ayu"))
	}
	require.Equal(t, "first", value[string](w, `select password_hash from control_center_users where email = 'admin@halo.test'`))
	require.Equal(t, 1, value[int](w, `select count(*) from mitras`))
}

// A clock that is an hour off is put right by what Postgres says.
func TestNow(t *testing.T) {
	t.Parallel()
	db := pgtest.Open(t, pgtest.URL(t), postgres.Options{Clock: func() time.Time { return time.Now().Add(-time.Hour) }})
	require.WithinDuration(t, time.Now().Add(-time.Hour), db.Now(), time.Minute, "before anything is known")
	require.NoError(t, db.Settings().Load(t.Context()))
	require.WithinDuration(t, time.Now(), db.Now(), time.Minute)
}
