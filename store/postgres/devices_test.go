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

func TestDevices_EndWithTheirSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer := w.customer()
	signIn := func() core.AuthSessionID {
		id := core.NewID[core.AuthSessionID]()
		w.exec(`insert into auth_sessions (id, user_type, user_id, salt, refresh_hash, expires_at)
			values ($1, 'customer', $2, '', '', now() + interval '1 day')`, id, customer)
		return id
	}
	devices := w.db.Devices()
	register := func(token string, session core.AuthSessionID) {
		require.NoError(t, devices.SaveDevice(t.Context(), push.Device{
			UserType: core.Customer, UserID: core.UserID(customer), Session: session, Token: token, Platform: push.IOS,
		}))
	}
	left := func() string {
		return value[string](w, `select coalesce(string_agg(token, ' ' order by token), '') from device_tokens`)
	}
	phone, tablet, laptop := signIn(), signIn(), signIn()
	register("phone", phone)
	register("tablet", tablet)
	register("laptop", laptop)
	register("laptop's second browser", laptop)

	require.NoError(t, w.db.Accounts().Revoke(t.Context(), phone, "logout"))
	require.Equal(t, "laptop laptop's second browser tablet", left())
	require.NoError(t, w.db.Accounts().Revoke(t.Context(), phone, "logout"), "a repetition does nothing")
	_, err := w.db.Accounts().RevokeAll(t.Context(), core.UserID(customer), tablet, "logout_all")
	require.NoError(t, err)
	require.Equal(t, "tablet", left(), "the one that goes on keeps its device")

	register("tablet", tablet)
	w.exec(`update device_tokens set updated_at = now() - interval '2 days'`)
	register("tablet", tablet)
	require.True(t, value[bool](w, `select updated_at > now() - interval '1 hour' from device_tokens`), "it was heard of")
	w.exec(`update device_tokens set updated_at = now() - interval '271 days'`)
	require.NoError(t, w.db.Clean(t.Context()))
	require.Empty(t, left(), "its vendor has forgotten it, too")
}

func TestDevices_AreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer, other := w.customer(), w.customer()
	kept := device(w, core.Customer, other)
	var tokens []string
	for range push.MaxDevices + 3 {
		tokens = append(tokens, device(w, core.Customer, customer))
	}
	require.Equal(t, tokens[3:], value[[]string](w, `select array_agg(token order by created_at) from device_tokens where user_id = $1`, customer))
	require.Equal(t, kept, value[string](w, `select token from device_tokens where user_id = $1`, other))
}
