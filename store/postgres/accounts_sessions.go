package postgres

import (
	"context"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// Session implements auth.Sessions.
func (a *Accounts) Session(ctx context.Context, id core.AuthSessionID) (s auth.Session, err error) {
	err = a.db.within(ctx, "read auth session", func(ctx context.Context) error {
		var sinceRotation float64
		err := a.db.pool.QueryRow(ctx, sessionSQL, id).Scan(&s.ID, &s.Generation, &s.Salt, &s.Hash, &sinceRotation, &s.ExpiresAt, &s.Over,
			&s.Account.Type, &s.Account.ID, &s.Account.Role, &s.Account.DisplayName, &s.Account.Phone, &s.Account.Email, &s.Account.Anonymous,
			&s.Account.Active, &s.Account.CreatedAt)
		if missing(err) {
			return core.Errorf(core.NotFound, "no such auth session")
		}
		s.SinceRotation = time.Duration(sinceRotation * float64(time.Second))
		return err
	})
	return s, err
}

const sessionSQL = `
	select s.id, s.generation, s.salt, s.refresh_hash, extract(epoch from now() - coalesce(s.rotated_at, s.created_at))::float8,
		s.expires_at, s.revoked_at is not null or s.expires_at <= now() or s.last_used_at + s.idle_ttl <= now(),
		p.user_type, p.id, p.role, p.display_name, p.phone, p.email, p.anonymous, p.active, p.created_at
	from auth_sessions s join ` + people + ` p on p.user_type = s.user_type and p.id = s.user_id
	where s.id = $1`

// Rotate implements auth.Sessions.
func (a *Accounts) Rotate(ctx context.Context, id core.AuthSessionID, from int64, hash string, by auth.Device) (won bool, err error) {
	err = a.db.within(ctx, "rotate refresh token", func(ctx context.Context) error {
		done, err := a.db.pool.Exec(ctx, rotateSQL, id, from, hash, by.UserAgent, inet(by.IP))
		won = done.RowsAffected() == 1
		return err
	})
	return won && err == nil, err
}

// The generation in the condition is the referee: of any number of parallel uses one finds it as it was.
const rotateSQL = `
	update auth_sessions
	set generation = generation + 1, refresh_hash = $3, rotated_at = now(), last_used_at = now(), user_agent = $4, ip = $5
	where id = $1 and generation = $2 and revoked_at is null and expires_at > now() and last_used_at + idle_ttl > now()`

// Revoke implements auth.Sessions.
func (a *Accounts) Revoke(ctx context.Context, id core.AuthSessionID, why auth.RevokeReason) error {
	return a.db.inTx(ctx, "revoke auth session", func(ctx context.Context, tx *tx) error {
		var user core.UserID
		revoked := auth.Revoked{Sessions: []core.AuthSessionID{id}, Reason: why}
		err := tx.QueryRow(ctx, `
			with over as (
				update auth_sessions set revoked_at = now(), revoke_reason = $2 where id = $1 and revoked_at is null
				returning id, user_id, revoked_at),
			silent as (delete from device_tokens where auth_session_id in (select id from over))
			select user_id, revoked_at from over`, id, why).Scan(&user, &revoked.At)
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.emit(core.AuthRevoked, user, revoked)
	})
}

// RevokeAll implements auth.Sessions.
func (a *Accounts) RevokeAll(ctx context.Context, user core.UserID, but core.AuthSessionID, why auth.RevokeReason) (revoked []core.AuthSessionID, err error) {
	err = a.db.inTx(ctx, "revoke all auth sessions", func(ctx context.Context, tx *tx) error {
		revoked, err = tx.revokeAll(ctx, user, but, why)
		return err
	})
	return revoked, err
}

// revokeAll ends the auth sessions of a user and announces it with the transaction's commit: the sockets close, the access
// tokens are refused everywhere. The session but goes on; its zero value spares none. A use case that takes an account's
// rights away (deactivation, a new password, another role) calls this in its own transaction, after it has locked the
// account's row: sign-ins wait for that lock, so none slips through.
func (t *tx) revokeAll(ctx context.Context, user core.UserID, but core.AuthSessionID, why auth.RevokeReason) ([]core.AuthSessionID, error) {
	rows, err := t.Query(ctx, `
		with over as (
			update auth_sessions set revoked_at = now(), revoke_reason = $2
			where user_id = $1 and revoked_at is null and expires_at > now() and ($3::uuid is null or id <> $3) returning id),
		silent as (delete from device_tokens where auth_session_id in (select id from over))
		select id, now() from over`, user, why, but)
	if err != nil {
		return nil, err
	}
	revoked := auth.Revoked{Reason: why}
	var id core.AuthSessionID
	_, err = pgx.ForEachRow(rows, []any{&id, &revoked.At}, func() error {
		revoked.Sessions = append(revoked.Sessions, id)
		return nil
	})
	if err != nil || len(revoked.Sessions) == 0 {
		return nil, err
	}
	return revoked.Sessions, t.emit(core.AuthRevoked, user, revoked)
}

// RevokedWithin implements auth.Sessions.
func (a *Accounts) RevokedWithin(ctx context.Context, d time.Duration) (found []auth.Revocation, err error) {
	err = a.db.within(ctx, "read revocations", func(ctx context.Context) error {
		rows, err := a.db.pool.Query(ctx, `
			select id, user_id, revoke_reason, extract(epoch from now() - revoked_at)::float8 from auth_sessions
			where revoked_at > now() - make_interval(secs => $1)`, d.Seconds())
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r auth.Revocation, err error) {
			var ago float64
			err = row.Scan(&r.Session, &r.User, &r.Reason, &ago)
			r.Ago = time.Duration(ago * float64(time.Second))
			return r, err
		})
		return err
	})
	return found, err
}

// inet is an address as a parameter; one that is not known is NULL.
func inet(ip netip.Addr) *netip.Addr {
	if !ip.IsValid() {
		return nil
	}
	ip = ip.Unmap().WithZone("")
	return &ip
}
