package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
)

// adminMitraSQL reads admin.Mitra; $1 is the bound of those that have none of their own.
const adminMitraSQL = `
	select x.id, x.phone, x.display_name, x.is_active, x.mode,
		(select count(*) from chat_sessions h where h.mitra_id = x.id and h.status in ('pending_payment', 'active')),
		coalesce(x.max_capacity, $1), coalesce(x.max_capacity, 0), x.last_heartbeat_at, x.available_since, x.is_test, x.version, x.created_at
	from mitras x`

func scanAdminMitra(row pgx.CollectableRow) (m admin.Mitra, err error) {
	err = row.Scan(&m.ID, &m.Phone, &m.DisplayName, &m.Active, &m.Mode, &m.Capacity, &m.MaxCapacity, &m.OwnMaxCapacity,
		(*zeronull.Timestamptz)(&m.LastHeartbeatAt), (*zeronull.Timestamptz)(&m.AvailableSince), &m.Test, &m.Version, &m.CreatedAt)
	return m, err
}

// mitrasQuery lists mitras. Modes are written out, so that the rare ones are known for rare.
func mitrasQuery(filter admin.MitraFilter, span admin.Span, most int) (*query, string) {
	q := &query{args: []any{most}}
	switch filter.Mode {
	case "online", "finishing", "offline":
		q.and(`x.mode = '` + filter.Mode + `'`)
	}
	if filter.Active != nil && *filter.Active {
		q.and(`x.is_active`)
	} else if filter.Active != nil {
		q.and(`not x.is_active`)
	}
	q.begins(filter.Search)
	return q, q.text(adminMitraSQL, span)
}

// Mitras implements admin.Mitras.
func (a *Admin) Mitras(ctx context.Context, filter admin.MitraFilter, span admin.Span) ([]admin.Mitra, error) {
	q, sql := mitrasQuery(filter, span, a.db.settings.Current().MitraMaxCapacity)
	return listed(ctx, a.db, "list mitras", q, sql, scanAdminMitra)
}

// Mitra implements admin.Mitras.
func (a *Admin) Mitra(ctx context.Context, id core.MitraID) (m admin.Mitra, err error) {
	err = a.db.within(ctx, "read mitra", func(ctx context.Context) error {
		m, err = a.db.adminMitra(ctx, a.db.pool, id)
		return err
	})
	return m, err
}

func (db *DB) adminMitra(ctx context.Context, q querier, id core.MitraID) (admin.Mitra, error) {
	rows, err := q.Query(ctx, adminMitraSQL+` where x.id = $2`, db.settings.Current().MitraMaxCapacity, id)
	if err != nil {
		return admin.Mitra{}, err
	}
	m, err := pgx.CollectExactlyOneRow(rows, scanAdminMitra)
	if missing(err) {
		err = noMitra()
	}
	return m, err
}

// own is a mitra's own bound as a column: NULL for none.
func own(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// AddMitra implements admin.Mitras.
func (a *Admin) AddMitra(ctx context.Context, by core.OperatorID, m admin.NewMitra) (made admin.Mitra, err error) {
	err = a.db.inTx(ctx, "add mitra", func(ctx context.Context, t *tx) error {
		id := core.NewID[core.MitraID]()
		_, err := t.Exec(ctx, `insert into mitras (id, phone, display_name, max_capacity) values ($1, $2, $3, $4)`,
			id, m.Phone, m.DisplayName, own(m.MaxCapacity))
		if violates(err, "mitras_phone_key") {
			return &core.Error{Code: core.Conflict, Field: "phone", Message: "a mitra has this phone"}
		}
		if err != nil {
			return err
		}
		t.changed(id)
		if made, err = a.db.adminMitra(ctx, t, id); err != nil {
			return err
		}
		return t.audit(ctx, by, "mitra.create", id, nil, fields{
			"phone": made.Phone, "display_name": made.DisplayName, "max_capacity": own(made.OwnMaxCapacity),
		})
	})
	return made, err
}

// A mitra who can take a session again by its new bound has become available now.
const changeMitraSQL = `
	update mitras m set display_name = $2, max_capacity = $3, version = m.version + 1, updated_at = now(),
		available_since = case when m.mode = 'online' and m.is_active and $4::int >= $5::int and $4::int < $6::int then now() else m.available_since end
	where m.id = $1`

// ChangeMitra implements admin.Mitras.
func (a *Admin) ChangeMitra(ctx context.Context, by core.OperatorID, id core.MitraID, change admin.MitraChange) (now admin.Mitra, err error) {
	err = a.db.inTx(ctx, "change mitra", func(ctx context.Context, t *tx) error {
		if _, err := t.lockLeaving(ctx, id); err != nil {
			return err
		}
		was, err := a.db.adminMitra(ctx, t, id)
		if err != nil {
			return err
		}
		now = was
		set(&now.DisplayName, change.DisplayName)
		set(&now.OwnMaxCapacity, change.MaxCapacity)
		if now == was {
			return nil
		}
		most := now.OwnMaxCapacity
		if most == 0 {
			most = a.db.settings.Current().MitraMaxCapacity
		}
		_, err = t.Exec(ctx, changeMitraSQL, id, now.DisplayName, own(now.OwnMaxCapacity), was.Capacity, was.MaxCapacity, most)
		if err != nil {
			return err
		}
		t.changed(id)
		if was.Capacity >= most { // it can take none of them any more
			if err := t.withdraw(ctx, id); err != nil {
				return err
			}
		}
		if now, err = a.db.adminMitra(ctx, t, id); err != nil {
			return err
		}
		return t.audit(ctx, by, "mitra.change", id,
			fields{"display_name": was.DisplayName, "max_capacity": own(was.OwnMaxCapacity)},
			fields{"display_name": now.DisplayName, "max_capacity": own(now.OwnMaxCapacity)})
	})
	return now, err
}

func statusLogQuery(id core.MitraID, span admin.Span) (*query, string) {
	q := &query{}
	q.and(`x.mitra_id = %s`, id)
	return q, q.text(`select x.id, x.mode, x.is_active, x.reason, x.at from mitra_status_logs x`, span)
}

// StatusLog implements admin.Mitras.
func (a *Admin) StatusLog(ctx context.Context, id core.MitraID, span admin.Span) ([]admin.StatusEntry, error) {
	if _, err := a.Mitra(ctx, id); err != nil {
		return nil, err
	}
	q, sql := statusLogQuery(id, span)
	return listed(ctx, a.db, "status log", q, sql, pgx.RowToStructByPos[admin.StatusEntry])
}
