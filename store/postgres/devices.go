package postgres

import (
	"context"

	"github.com/halobestie/bestie-gateway/core/push"
)

// Devices implements push.Devices.
type Devices struct{ db *DB }

// Devices is the store of push tokens.
func (db *DB) Devices() *Devices { return &Devices{db} }

// SaveDevice implements push.Devices.
func (d *Devices) SaveDevice(ctx context.Context, device push.Device) error {
	return d.db.within(ctx, "save device", func(ctx context.Context) error {
		_, err := d.db.pool.Exec(ctx, saveDeviceSQL,
			device.Token, device.UserType, device.UserID, device.Session, device.Platform, push.MaxDevices)
		return err
	})
}

// A token that comes again for the same sign-in writes once a day: apps register at every start, and those that do not any
// more are swept away with their vendor's patience (clean.go). A user's oldest devices beyond $6 go.
const saveDeviceSQL = `
	with surplus as (
		delete from device_tokens where token in (
			select token from device_tokens where user_id = $3 and token <> $1 order by updated_at desc offset $6::int - 1))
	insert into device_tokens as d (token, user_type, user_id, auth_session_id, platform)
	values ($1, $2, $3, (select id from auth_sessions where id = $4), $5)
	on conflict (token) do update
	set user_type = excluded.user_type, user_id = excluded.user_id, auth_session_id = excluded.auth_session_id,
		platform = excluded.platform, updated_at = now()
	where (d.user_type, d.user_id, d.auth_session_id, d.platform)
		is distinct from (excluded.user_type, excluded.user_id, excluded.auth_session_id, excluded.platform)
		or d.updated_at < now() - interval '1 day'`
