package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
)

const storedSettingSQL = `select key, value::text, updated_by, updated_at from app_config`

func scanStoredSetting(row pgx.CollectableRow) (s admin.StoredSetting, err error) {
	var value string
	err = row.Scan(&s.Key, &value, &s.UpdatedBy, &s.UpdatedAt)
	s.Value = json.RawMessage(value)
	return s, err
}

// Settings implements admin.Config.
func (a *Admin) Settings(ctx context.Context) ([]admin.StoredSetting, error) {
	return listed(ctx, a.db, "list settings", &query{}, storedSettingSQL, scanStoredSetting)
}

// PutSetting implements admin.Config.
func (a *Admin) PutSetting(ctx context.Context, by core.OperatorID, key string, value json.RawMessage) (now admin.StoredSetting, err error) {
	err = a.db.inTx(ctx, "put setting", func(ctx context.Context, t *tx) error {
		was, err := t.storedSetting(ctx, key)
		if missing(err) {
			was, err = admin.StoredSetting{Key: key, Value: defaultOf(key)}, nil
		}
		if err != nil {
			return err
		}
		if sameJSON(was.Value, value) {
			now = was
			return nil
		}
		if _, err := t.Exec(ctx, putSettingSQL, key, string(value), by); err != nil {
			return err
		}
		if now, err = t.storedSetting(ctx, key); err != nil {
			return err
		}
		return t.audit(ctx, by, "config.put", [16]byte{}, fields{"key": key, "value": was.Value}, fields{"key": key, "value": now.Value})
	})
	if err != nil {
		return now, err
	}
	// It is stored; an instance that cannot read it back now follows in a moment.
	if err := a.db.settings.Load(ctx); err != nil {
		a.db.log.Debug("app_config: not read", "error", err)
	} else if key == "mitra_max_capacity" {
		a.mirrorOnline(ctx)
	}
	return now, nil
}

// mirrorOnline has those mitras mirrored anew who live by the configuration's bound: it says whether they are available. When it fails, the
// reseed brings it.
func (a *Admin) mirrorOnline(ctx context.Context) {
	var ids []core.MitraID
	err := a.db.within(ctx, "read mitras online", func(ctx context.Context) error {
		rows, err := a.db.pool.Query(ctx, `select id from mitras where mode = 'online' and is_active and max_capacity is null`)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[core.MitraID])
		return err
	})
	if err != nil {
		a.db.log.Warn("mitra_max_capacity reaches the mirror with the next reseed", "error", err)
		return
	}
	a.db.committed(&tx{mitras: ids})
}

const putSettingSQL = `
	insert into app_config (key, value, updated_by) values ($1, $2::jsonb, $3)
	on conflict (key) do update set value = excluded.value, updated_by = excluded.updated_by, updated_at = now()`

// storedSetting reads a row and locks it, so that before and after in the audit log follow each other.
func (t *tx) storedSetting(ctx context.Context, key string) (admin.StoredSetting, error) {
	rows, err := t.Query(ctx, storedSettingSQL+` where key = $1 for no key update`, key)
	if err != nil {
		return admin.StoredSetting{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanStoredSetting)
}

// defaultOf is what holds for a key without a row; nil for none of ours.
func defaultOf(key string) json.RawMessage {
	for _, setting := range core.SettingsTable {
		if setting.Key == key {
			return json.RawMessage(setting.DefaultJSON())
		}
	}
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}

const adminPackageSQL = `select x.id, x.name, x.duration_minutes, x.price, x.is_active, x.created_at from session_packages x`

// Packages implements admin.Catalogue.
func (a *Admin) Packages(ctx context.Context, span admin.Span) ([]admin.Package, error) {
	q := &query{}
	sql := q.text(adminPackageSQL, span)
	return listed(ctx, a.db, "list packages", q, sql, pgx.RowToStructByPos[admin.Package])
}

// lockPackage reads a package and locks it.
func (t *tx) lockPackage(ctx context.Context, id core.PackageID) (admin.Package, error) {
	rows, err := t.Query(ctx, adminPackageSQL+` where x.id = $1 for no key update`, id)
	if err != nil {
		return admin.Package{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[admin.Package])
	if missing(err) {
		err = core.Errorf(core.NotFound, "no such package")
	}
	return p, err
}

func packageFields(p admin.Package) fields {
	return fields{"name": p.Name, "duration_minutes": p.Minutes, "price": p.Price, "is_active": p.Active}
}

// AddPackage implements admin.Catalogue.
func (a *Admin) AddPackage(ctx context.Context, by core.OperatorID, p admin.Package) (made admin.Package, err error) {
	err = a.db.inTx(ctx, "add package", func(ctx context.Context, t *tx) error {
		id := core.NewID[core.PackageID]()
		if _, err := t.Exec(ctx, `insert into session_packages (id, name, duration_minutes, price, is_active) values ($1, $2, $3, $4, $5)`,
			id, p.Name, p.Minutes, p.Price, p.Active); err != nil {
			return err
		}
		if made, err = t.lockPackage(ctx, id); err != nil {
			return err
		}
		return t.audit(ctx, by, "package.create", id, nil, packageFields(made))
	})
	return made, err
}

// ChangePackage implements admin.Catalogue.
func (a *Admin) ChangePackage(ctx context.Context, by core.OperatorID, id core.PackageID, change admin.PackageChange) (now admin.Package, err error) {
	err = a.db.inTx(ctx, "change package", func(ctx context.Context, t *tx) error {
		was, err := t.lockPackage(ctx, id)
		if err != nil {
			return err
		}
		now = was
		set(&now.Name, change.Name)
		set(&now.Minutes, change.Minutes)
		set(&now.Price, change.Price)
		set(&now.Active, change.Active)
		if now == was {
			return nil
		}
		if _, err := t.Exec(ctx, `update session_packages set name = $2, duration_minutes = $3, price = $4, is_active = $5, updated_at = now()
			where id = $1`, id, now.Name, now.Minutes, now.Price, now.Active); err != nil {
			return err
		}
		return t.audit(ctx, by, "package.change", id, packageFields(was), packageFields(now))
	})
	return now, err
}

// Each count is read off an index that has all it needs: the live sessions, the mitras in their order, today's payments.
const workSQL = `
	with live as (
		select count(*) filter (where status = 'searching') as searching, count(*) filter (where status = 'pending_payment') as pending,
			count(*) filter (where status = 'active') as active
		from chat_sessions where status in ('searching', 'pending_payment', 'active')),
	paid as (
		select count(*) filter (where extension_id is null) as sessions, coalesce(sum(amount), 0)::bigint as revenue
		from payments where status = 'paid' and paid_at >= $1)
	select (select count(*) from (
			select distinct mitra_id from chat_sessions where status in ('pending_payment', 'active') and mitra_id is not null) busy),
		live.searching, live.pending, live.active, paid.sessions, paid.revenue
	from live, paid`

// Work implements admin.Numbers.
func (a *Admin) Work(ctx context.Context, dayBegan time.Time) (w admin.Work, err error) {
	err = a.db.within(ctx, "dashboard", func(ctx context.Context) error {
		return a.db.pool.QueryRow(ctx, workSQL, dayBegan).Scan(&w.Busy, &w.Searching, &w.PendingPayment, &w.Active, &w.PaidToday, &w.RevenueToday)
	})
	return w, err
}

// MitrasOnline implements admin.Numbers.
func (a *Admin) MitrasOnline(ctx context.Context) (online, available int, err error) {
	err = a.db.within(ctx, "count mitras online", func(ctx context.Context) error {
		return a.db.pool.QueryRow(ctx, `
			select count(*), count(*) filter (where m.mode = 'online' and m.is_active
				and (select count(*) from chat_sessions h where h.mitra_id = m.id and h.status in ('pending_payment', 'active'))
					< coalesce(m.max_capacity, $1))
			from mitras m where m.mode <> 'offline'`, a.db.settings.Current().MitraMaxCapacity).Scan(&online, &available)
	})
	return online, available, err
}
