package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// Audit is what the tests' oracle holds clients and mirror to.
type Audit struct {
	Now      time.Time
	Mitras   []presence.Mitra
	Sessions []AuditedSession // begun since
	Offers   []AuditedOffer   // of these sessions
	Modes    []AuditedMode    // since, oldest first
}

// AuditedSession is a row of chat_sessions.
type AuditedSession struct {
	ID         core.SessionID
	CustomerID core.CustomerID
	MitraID    core.MitraID
	Status     chat.Status
	Version    int64
}

// AuditedOffer is a row of session_offers.
type AuditedOffer struct {
	ID        core.OfferID
	SessionID core.SessionID
	MitraID   core.MitraID
	Status    pairing.OfferStatus
	Rerouted  bool
	At        time.Time
}

// AuditedMode is a row of mitra_status_logs.
type AuditedMode struct {
	MitraID core.MitraID
	Mode    presence.Mode
	Active  bool
	Reason  presence.Reason
	At      time.Time
}

// auditLimit is how many mitras an audit reads: it is for tests and simulations.
const auditLimit = 20_000

// Audit reads all mitras, and sessions and modes since a time, from one snapshot. An error when there are more than 20,000
// mitras.
func (db *DB) Audit(ctx context.Context, since time.Time) (a Audit, err error) {
	err = db.within(ctx, "audit", func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(t pgx.Tx) error {
			if err := t.QueryRow(ctx, `select clock_timestamp()`).Scan(&a.Now); err != nil {
				return err
			}
			if a.Mitras, err = db.mitras(ctx, t, `order by m.id limit $2`, auditLimit+1); err != nil {
				return err
			}
			if len(a.Mitras) > auditLimit {
				return fmt.Errorf("more than %d mitras", auditLimit)
			}
			a.Sessions, err = audited[AuditedSession](ctx, t, since,
				`select id, customer_id, coalesce(mitra_id, '00000000-0000-0000-0000-000000000000'), status, version from chat_sessions where created_at >= $1`)
			if err != nil {
				return err
			}
			a.Offers, err = audited[AuditedOffer](ctx, t, since, `
				select o.id, o.session_id, o.mitra_id, o.status, o.rerouted_at is not null, o.created_at
				from session_offers o join chat_sessions s on s.id = o.session_id where s.created_at >= $1`)
			if err != nil {
				return err
			}
			a.Modes, err = audited[AuditedMode](ctx, t, since,
				`select mitra_id, mode, is_active, reason, at from mitra_status_logs where at >= $1 order by id`)
			return err
		})
	})
	return a, err
}

func audited[T any](ctx context.Context, t pgx.Tx, since time.Time, sql string) ([]T, error) {
	rows, err := t.Query(ctx, sql, zeronull.Timestamptz(since))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
