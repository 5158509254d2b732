package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// lockLeavingSQL locks mitras that may leave mode online: first the open offers that they would lose, then themselves, each
// in order of id. The count makes the second part wait for the first.
const lockLeavingSQL = `
	with o as materialized (
		select id from session_offers where mitra_id = any($1) and status in ('offered', 'delivered') order by id for no key update),
	m as materialized (
		select id, mode, is_active, connection_epoch from mitras
		where id = any($1) and (select count(*) from o) >= 0 order by id for no key update)
	select id, mode, is_active, connection_epoch from m`

// lockedMitra is a mitra under lock. What else is asked of it must be asked by a later statement.
type lockedMitra struct {
	ID     core.MitraID
	Mode   presence.Mode
	Active bool
	Epoch  int64
}

func (t *tx) lockLeaving(ctx context.Context, ids ...core.MitraID) ([]lockedMitra, error) {
	rows, err := t.Query(ctx, lockLeavingSQL, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[lockedMitra])
}

// SetMode implements presence.Truth.
func (p *Presence) SetMode(ctx context.Context, mitra core.MitraID, mode presence.Mode, epoch int64) (m presence.Mitra, err error) {
	err = p.db.inTx(ctx, "set mode", func(ctx context.Context, t *tx) error {
		found, err := t.lockLeaving(ctx, mitra)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return noMitra()
		}
		was := found[0]
		switch {
		case !was.Active:
			return core.Errorf(core.AccountInactive, "the account is not active")
		case was.Epoch != epoch:
			return core.Errorf(core.WrongState, "a newer socket of this mitra is up")
		}
		if m, err = t.mitra(ctx, mitra); err != nil || was.Mode == mode {
			return err
		}
		reason := presence.Self
		if mode == presence.Finishing && m.Capacity == 0 {
			mode, reason = presence.Offline, presence.Finished
		}
		if was.Mode == mode {
			return nil // finishing without a session, and offline already
		}
		if err := t.changeMode(ctx, mode, reason, mitra); err != nil {
			return err
		}
		m, err = t.mitra(ctx, mitra)
		return err
	})
	return m, err
}

func (t *tx) mitra(ctx context.Context, id core.MitraID) (presence.Mitra, error) {
	found, err := t.db.mitras(ctx, t, `where m.id = $2`, id)
	if err == nil && len(found) == 0 {
		err = noMitra()
	}
	if err != nil {
		return presence.Mitra{}, err
	}
	return found[0], nil
}

// A mitra that comes online is alive by that, forgiven the offers that it ignored, and, when under capacity, available from
// now on.
const changeModeSQL = `
	with changed as (
		update mitras m set mode = $2, version = m.version + 1, updated_at = now(),
			last_heartbeat_at = case when $2 = 'online' then greatest(m.last_heartbeat_at, now()) else m.last_heartbeat_at end,
			ignored_offers = case when $2 = 'online' then 0 else m.ignored_offers end,
			available_since = case when $2 = 'online' and m.is_active
				and (select count(*) from chat_sessions h where h.mitra_id = m.id and h.status in ('pending_payment', 'active'))
					< coalesce(m.max_capacity, $4) then now() else m.available_since end
		where m.id = any($1) and m.mode <> $2
		returning m.id, m.is_active, m.version),
	logged as (insert into mitra_status_logs (mitra_id, mode, is_active, reason) select id, $2, is_active, $3 from changed)
	select id, version, now() from changed`

// changeMode sets the mode of mitras that lockLeaving locked, logs it, withdraws the open offers of those that leave online, and tells
// them.
func (t *tx) changeMode(ctx context.Context, mode presence.Mode, reason presence.Reason, ids ...core.MitraID) error {
	if mode != presence.Online {
		if err := t.withdraw(ctx, ids...); err != nil {
			return err
		}
	}
	rows, err := t.Query(ctx, changeModeSQL, ids, mode, reason, t.db.settings.Current().MitraMaxCapacity)
	if err != nil {
		return err
	}
	var id core.MitraID
	change := presence.Change{Mode: mode, Reason: reason}
	_, err = pgx.ForEachRow(rows, []any{&id, &change.Version, &change.At}, func() error {
		t.changed(id)
		t.pushMode(id, change)
		return t.emit(core.PresenceChanged, core.UserID(id), change)
	})
	return err
}

// takeChunk bounds how many mitras are locked at once.
const takeChunk = 500

// TakeOffline implements presence.Beats. Chunks that were taken stay taken when a later one fails.
func (p *Presence) TakeOffline(ctx context.Context, ids []core.MitraID, stale time.Duration) (taken []core.MitraID, err error) {
	for chunk := range slices.Chunk(ids, takeChunk) {
		gone, err := p.takeOffline(ctx, "take offline", presence.HeartbeatTimeout, chunk,
			`mode <> 'offline' and coalesce(last_heartbeat_at, '-infinity') < now() - $2::interval`, stale)
		if err != nil {
			return taken, err
		}
		taken = append(taken, gone...)
	}
	return taken, nil
}

// takeOffline sets those of ids offline for whom the condition holds, judged before and again under lock.
func (p *Presence) takeOffline(ctx context.Context, op string, reason presence.Reason, ids []core.MitraID, condition string, arg any) (taken []core.MitraID, err error) {
	sql := `select id from mitras where id = any($1) and ` + condition
	judge := func(ctx context.Context, q querier, ids []core.MitraID) ([]core.MitraID, error) {
		rows, err := q.Query(ctx, sql, ids, arg)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[core.MitraID])
	}
	err = p.db.inTx(ctx, op, func(ctx context.Context, t *tx) error {
		if taken, err = judge(ctx, t, ids); err != nil || len(taken) == 0 {
			return err
		}
		if _, err := t.lockLeaving(ctx, taken...); err != nil {
			return err
		}
		if taken, err = judge(ctx, t, taken); err != nil || len(taken) == 0 {
			return err
		}
		return t.changeMode(ctx, presence.Offline, reason, taken...)
	})
	return taken, err
}

// The session that ended is over already for this statement's snapshot, and the lock keeps others from being begun.
const releaseSQL = `
	with rest as (select count(*) as n from chat_sessions where mitra_id = $1 and status in ('pending_payment', 'active')),
	before as (select mode from mitras where id = $1),
	changed as (
		update mitras m set version = m.version + 1, updated_at = now(),
			mode = case when m.mode = 'finishing' and rest.n = 0 then 'offline' else m.mode end,
			available_since = case when m.mode = 'online' and m.is_active and rest.n = coalesce(m.max_capacity, $2) - 1
				then now() else m.available_since end
		from rest where m.id = $1
		returning m.id, m.mode, m.is_active, m.version),
	logged as (
		insert into mitra_status_logs (mitra_id, mode, is_active, reason)
		select c.id, c.mode, c.is_active, 'finished' from changed c, before b where c.mode <> b.mode)
	select c.version, now(), c.mode <> b.mode from changed c, before b`

// release follows the end of a session for its mitra, which is under lock: it has room again, and when it was only
// finishing and this was the last, it goes offline.
func (t *tx) release(ctx context.Context, mitra core.MitraID) error {
	var finished bool
	change := presence.Change{Mode: presence.Offline, Reason: presence.Finished}
	err := t.QueryRow(ctx, releaseSQL, mitra, t.db.settings.Current().MitraMaxCapacity).Scan(&change.Version, &change.At, &finished)
	if err != nil {
		return err
	}
	t.changed(mitra)
	if !finished {
		return nil
	}
	return t.emit(core.PresenceChanged, core.UserID(mitra), change)
}
