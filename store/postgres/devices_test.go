package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestSaveDevice_BelongsToItsLastRegistration(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	devices := pgtest.Open(t, url, postgres.Options{}).Devices()
	first := push.Device{
		UserType: core.Customer, UserID: core.NewID[core.UserID](), Token: "vendor:token", Platform: push.Android,
		Session: core.NewID[core.AuthSessionID](), // one that is gone by now
	}
	owner := func() core.UserID {
		return core.MustParseID[core.UserID](pgtest.Value[string](t, url, `select user_id::text from device_tokens`))
	}
	written := func() time.Time { return pgtest.Value[time.Time](t, url, `select updated_at from device_tokens`) }

	require.NoError(t, devices.SaveDevice(t.Context(), first))
	require.Equal(t, first.UserID, owner())
	at := written()
	require.NoError(t, devices.SaveDevice(t.Context(), first))
	require.Equal(t, at, written(), "a repetition writes nothing")

	second := first
	second.UserType, second.UserID = core.Mitra, core.NewID[core.UserID]()
	require.NoError(t, devices.SaveDevice(t.Context(), second))
	require.Equal(t, second.UserID, owner())
	require.True(t, written().After(at))
}
