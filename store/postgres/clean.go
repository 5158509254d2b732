package postgres

import (
	"context"
	"time"
)

// retention is how long rows of a table are kept that nobody needs after it.
type retention struct {
	what string
	sql  string // deletes at most $2 rows older than $1
	keep time.Duration
}

// sessionKeep is how long auth sessions that are over stay for questions; it is longer than any access token lives.
const sessionKeep = 7 * 24 * time.Hour

// cleanBatch bounds a statement, so that it stays within its time however much there is to do.
const cleanBatch = 5000

var (
	eventRetention = retention{
		"events", `
		delete from event_outbox where id = any(array(
			select id from event_outbox where created_at < now() - $1::interval order by created_at limit $2 for update skip locked))`,
		outboxKeep,
	}
	otherRetentions = []retention{
		{
			"idempotency keys", `
			delete from idempotency_keys where ctid = any(array(
				select ctid from idempotency_keys where created_at < now() - $1::interval order by created_at limit $2 for update skip locked))`,
			25 * time.Hour,
		},
		{
			"waves", `
			delete from session_waves where ctid = any(array(
				select ctid from session_waves where created_at < now() - $1::interval order by created_at limit $2 for update skip locked))`,
			30 * 24 * time.Hour,
		},
		{
			"phone codes", `
			delete from otp_requests where id = any(array(
				select id from otp_requests where created_at < now() - $1::interval order by created_at limit $2 for update skip locked))`,
			2 * time.Hour, // the limits look back for one, and no code lives as long
		},
		{
			"auth sessions that have expired", `
			with dead as materialized (
				select id from auth_sessions where expires_at < now() - $1::interval order by expires_at limit $2 for update skip locked),
			silent as (delete from device_tokens where auth_session_id in (select id from dead))
			delete from auth_sessions where id in (select id from dead)`,
			sessionKeep,
		},
		{
			"auth sessions that were revoked", `
			with dead as materialized (
				select id from auth_sessions where revoked_at < now() - $1::interval order by revoked_at limit $2 for update skip locked),
			silent as (delete from device_tokens where auth_session_id in (select id from dead))
			delete from auth_sessions where id in (select id from dead)`,
			sessionKeep,
		},
		{
			"log-ins of nobody", `
			delete from unknown_logins where email_hash = any(array(
				select email_hash from unknown_logins where updated_at < now() - $1::interval and (lockout_until is null or lockout_until < now())
				order by updated_at limit $2 for update skip locked))`,
			24 * time.Hour,
		},
		{
			"devices", `
			delete from device_tokens where token = any(array(
				select token from device_tokens where updated_at < now() - $1::interval order by updated_at limit $2 for update skip locked))`,
			270 * 24 * time.Hour, // FCM gives up a token then
		},
	}
)

// clean deletes what is past its time. Instances that clean at once share the work.
func (db *DB) clean(ctx context.Context, r retention) error {
	for {
		var gone int64
		err := db.within(ctx, "clean "+r.what, func(ctx context.Context) error {
			done, err := db.pool.Exec(ctx, r.sql, r.keep, cleanBatch)
			gone = done.RowsAffected()
			return err
		})
		if err != nil || gone < cleanBatch {
			return err
		}
	}
}
