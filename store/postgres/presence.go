package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// Presence implements presence.Truth, presence.Fallback and presence.Beats.
type Presence struct{ db *DB }

var (
	_ presence.Truth    = (*Presence)(nil)
	_ presence.Fallback = (*Presence)(nil)
	_ presence.Beats    = (*Presence)(nil)
)

// Presence is the mitras' part of the store.
func (db *DB) Presence() *Presence { return &Presence{db} }

// mitraSQL reads presence.Mitra from mitras m; $1 is the bound of those that have none of their own. Capacity and version
// come from one snapshot, and every change of the one bumps the other, so that a mirror which keeps the highest version keeps the
// right capacity.
const mitraSQL = `
	select m.id, m.mode, m.is_active,
		(select count(*) from chat_sessions h where h.mitra_id = m.id and h.status in ('pending_payment', 'active')),
		coalesce(m.max_capacity, $1), m.available_since, m.last_heartbeat_at, m.connection_epoch, m.version
	from mitras m `

func scanMitra(row pgx.CollectableRow) (m presence.Mitra, err error) {
	err = row.Scan(&m.ID, &m.Mode, &m.Active, &m.Capacity, &m.MaxCapacity, (*zeronull.Timestamptz)(&m.AvailableSince),
		(*zeronull.Timestamptz)(&m.LastHeartbeatAt), &m.ConnectionEpoch, &m.Version)
	return m, err
}

func (db *DB) mitras(ctx context.Context, q querier, where string, args ...any) ([]presence.Mitra, error) {
	rows, err := q.Query(ctx, mitraSQL+where, append([]any{db.settings.Current().MitraMaxCapacity}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanMitra)
}

func noMitra() error { return core.Errorf(core.NotFound, "no such mitra") }

// connected is a batcher's answer to Connect; nobody is there when the mitra does not exist.
type connected struct {
	mitra presence.Mitra
	found bool
}

// Connect implements presence.Truth. Of two sockets of one mitra in one batch, the one that came later has the higher epoch.
// The version is not bumped: who connects mirrors the epoch itself.
func (p *Presence) Connect(ctx context.Context, mitra core.MitraID) (presence.Mitra, error) {
	c, err := p.db.connects.do(ctx, mitra)
	if err != nil {
		return presence.Mitra{}, err
	}
	if !c.found {
		return presence.Mitra{}, noMitra()
	}
	return c.mitra, nil
}

const connectSQL = `
	with arrived as (select id, count(*) as sockets from unnest($1::uuid[]) a (id) group by id),
	locked as materialized (select id from mitras where id = any($1) order by id for no key update)
	update mitras m set connection_epoch = m.connection_epoch + a.sockets, last_heartbeat_at = greatest(m.last_heartbeat_at, now())
	from locked l join arrived a on a.id = l.id where m.id = l.id`

func (db *DB) connectAll(ctx context.Context, ids []core.MitraID) (answers []connected, err error) {
	err = db.inTx(ctx, "connect", func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, connectSQL, uuids(ids)); err != nil {
			return err
		}
		// Read by a statement of its own: beside the UPDATE's new version, its snapshot could show a capacity from before it.
		mitras, err := db.mitras(ctx, t, `where m.id = any($2)`, uuids(ids))
		if err != nil {
			return err
		}
		answers = spread(ids, mitras)
		for _, m := range mitras {
			if m.ConnectionEpoch == 1 {
				continue // its first socket ever replaces nobody
			}
			if err := t.emit(core.MitraReplaced, core.UserID(m.ID), presence.Replaced{Epoch: m.ConnectionEpoch}); err != nil {
				return err
			}
		}
		return nil
	})
	return answers, err
}

// spread gives each caller its mitra; of several for one mitra the last has the epoch that was reached, the one before it one
// less, and so on.
func spread(ids []core.MitraID, mitras []presence.Mitra) []connected {
	byID := make(map[core.MitraID]*presence.Mitra, len(mitras))
	for i := range mitras {
		byID[mitras[i].ID] = &presence.Mitra{}
		*byID[mitras[i].ID] = mitras[i]
	}
	answers := make([]connected, len(ids))
	for i := len(ids) - 1; i >= 0; i-- {
		if m, ok := byID[ids[i]]; ok {
			answers[i] = connected{mitra: *m, found: true}
			m.ConnectionEpoch--
		}
	}
	return answers
}

// Mitras implements presence.Truth.
func (p *Presence) Mitras(ctx context.Context, ids []core.MitraID) (mitras []presence.Mitra, err error) {
	err = p.db.within(ctx, "read mitras", func(ctx context.Context) error {
		mitras, err = p.db.mitras(ctx, p.db.pool, `where m.id = any($2) order by m.id`, ids)
		return err
	})
	return mitras, err
}

// Known implements presence.Truth.
func (p *Presence) Known(ctx context.Context, ids []core.MitraID) (known []core.MitraID, err error) {
	err = p.db.within(ctx, "known mitras", func(ctx context.Context) error {
		rows, err := p.db.pool.Query(ctx, `select id from mitras where id = any($1)`, ids)
		if err != nil {
			return err
		}
		known, err = pgx.CollectRows(rows, pgx.RowTo[core.MitraID])
		return err
	})
	return known, err
}

// Page implements presence.Truth.
func (p *Presence) Page(ctx context.Context, after core.MitraID, limit int) (mitras []presence.Mitra, err error) {
	err = p.db.within(ctx, "page mitras", func(ctx context.Context) error {
		mitras, err = p.db.mitras(ctx, p.db.pool, `where m.id > $2 order by m.id limit $3`, [16]byte(after), limit)
		return err
	})
	return mitras, err
}

// Who can take a session by Postgres alone; $1 is the freshness, $2 the bound of those that have none of their own.
const (
	availableWhere = `
		where m.mode = 'online' and m.is_active and m.last_heartbeat_at > now() - $1::interval
			and (select count(*) from chat_sessions h where h.mitra_id = m.id and h.status in ('pending_payment', 'active'))
				< coalesce(m.max_capacity, $2)`
	countAvailableSQL = `select count(*) from mitras m` + availableWhere
	findAvailableSQL  = `select m.id from mitras m` + availableWhere + `
		and m.id <> all($3) order by m.available_since, m.id limit $4`
)

// CountAvailable implements presence.Fallback.
func (p *Presence) CountAvailable(ctx context.Context, fresh time.Duration) (n int, err error) {
	err = p.db.within(ctx, "count available", func(ctx context.Context) error {
		return p.db.pool.QueryRow(ctx, countAvailableSQL, fresh, p.db.settings.Current().MitraMaxCapacity).Scan(&n)
	})
	return n, err
}

// FindAvailable implements presence.Fallback.
func (p *Presence) FindAvailable(ctx context.Context, k int, exclude []core.MitraID, fresh time.Duration) (ids []core.MitraID, err error) {
	if exclude == nil {
		exclude = []core.MitraID{} // NULL would exclude everybody
	}
	err = p.db.within(ctx, "find available", func(ctx context.Context) error {
		rows, err := p.db.pool.Query(ctx, findAvailableSQL, fresh, p.db.settings.Current().MitraMaxCapacity, exclude, k)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[core.MitraID])
		return err
	})
	return ids, err
}

// IsReachable implements presence.Fallback.
func (p *Presence) IsReachable(ctx context.Context, mitra core.MitraID, fresh time.Duration) (is bool, err error) {
	err = p.db.within(ctx, "is reachable", func(ctx context.Context) error {
		return p.db.pool.QueryRow(ctx, `
			select exists (select from mitras where id = $2 and is_online and is_active and last_heartbeat_at > now() - $1::interval)`,
			fresh, mitra).Scan(&is)
	})
	return is, err
}

// Counts implements presence.Fallback.
func (p *Presence) Counts(ctx context.Context, fresh time.Duration) (c presence.Counts, err error) {
	err = p.db.within(ctx, "count presence", func(ctx context.Context) error {
		return p.db.pool.QueryRow(ctx, `
			select count(*) filter (where is_online), count(*) filter (where not is_active), (`+countAvailableSQL+`) from mitras`,
			fresh, p.db.settings.Current().MitraMaxCapacity).Scan(&c.Online, &c.Deactivated, &c.Available)
	})
	return c, err
}

// saveChunk bounds a statement of SaveHeartbeats.
const saveChunk = 10_000

const saveHeartbeatsSQL = `
	with beat as (
		select id, statement_timestamp() - greatest(min(age), interval '0') as at
		from unnest($1::uuid[], $2::interval[]) b (id, age) group by id),
	locked as materialized (select id, is_active from mitras where id = any($1) order by id for no key update),
	saved as (
		update mitras m set last_heartbeat_at = beat.at from beat join locked l on l.id = beat.id
		where m.id = beat.id and (m.last_heartbeat_at is null or m.last_heartbeat_at < beat.at))
	select id from locked where not is_active`

// SaveHeartbeats implements presence.Beats. Chunks that were saved stay saved when a later one fails.
func (p *Presence) SaveHeartbeats(ctx context.Context, beats []presence.Heartbeat, now time.Time) (deactivated []core.MitraID, err error) {
	for len(beats) > 0 {
		n := min(len(beats), saveChunk)
		ids, ages := make([]core.MitraID, n), make([]time.Duration, n)
		for i, b := range beats[:n] {
			ids[i], ages[i] = b.MitraID, now.Sub(b.At)
		}
		beats = beats[n:]
		var found []core.MitraID
		err = p.db.inTx(ctx, "save heartbeats", func(ctx context.Context, t *tx) error {
			rows, err := t.Query(ctx, saveHeartbeatsSQL, ids, ages)
			if err != nil {
				return err
			}
			found, err = pgx.CollectRows(rows, pgx.RowTo[core.MitraID])
			return err
		})
		if err != nil {
			return deactivated, err
		}
		deactivated = append(deactivated, found...)
	}
	return deactivated, nil
}
