package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/chat"
)

const adminSessionSQL = `
	select x.id, x.version, x.status, x.customer_id, c.display_name, x.mitra_id, coalesce(m.display_name, ''), x.package_id,
		x.duration_minutes, x.price, x.note, x.wave, x.waiting, x.end_reason, x.created_at, x.started_at, x.ends_at, x.ended_at,
		case x.status when 'searching' then x.search_deadline_at when 'pending_payment' then x.payment_deadline_at
			when 'active' then x.ends_at end
	from chat_sessions x join customers c on c.id = x.customer_id left join mitras m on m.id = x.mitra_id`

func scanAdminSession(row pgx.CollectableRow) (s admin.Session, err error) {
	err = row.Scan(&s.ID, &s.Version, &s.Status, &s.CustomerID, &s.CustomerName, &s.MitraID, &s.MitraName, &s.PackageID,
		&s.Minutes, &s.Price, &s.Note, &s.Wave, &s.Waiting, (*zeronull.Text)(&s.EndReason), &s.CreatedAt,
		(*zeronull.Timestamptz)(&s.StartedAt), (*zeronull.Timestamptz)(&s.EndsAt), (*zeronull.Timestamptz)(&s.EndedAt),
		(*zeronull.Timestamptz)(&s.DeadlineAt))
	return s, err
}

func sessionsQuery(filter admin.SessionFilter, span admin.Span) (*query, string) {
	q := &query{}
	if filter.Status != "" {
		q.and(`x.status = %s`, filter.Status)
	}
	if !filter.Customer.IsZero() {
		q.and(`x.customer_id = %s`, filter.Customer)
	}
	if !filter.Mitra.IsZero() {
		q.and(`x.mitra_id = %s`, filter.Mitra)
	}
	if !filter.From.IsZero() {
		q.and(`x.created_at >= %s`, filter.From)
	}
	if !filter.To.IsZero() {
		q.and(`x.created_at < %s`, filter.To)
	}
	return q, q.text(adminSessionSQL, span)
}

// Sessions implements admin.Sessions.
func (a *Admin) Sessions(ctx context.Context, filter admin.SessionFilter, span admin.Span) ([]admin.Session, error) {
	q, sql := sessionsQuery(filter, span)
	return listed(ctx, a.db, "list sessions", q, sql, scanAdminSession)
}

func adminSession(ctx context.Context, q querier, id core.SessionID) (admin.Session, error) {
	rows, err := q.Query(ctx, adminSessionSQL+` where x.id = $1`, id)
	if err != nil {
		return admin.Session{}, err
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanAdminSession)
	if missing(err) {
		err = noSession()
	}
	return s, err
}

// Story implements admin.Sessions.
func (a *Admin) Story(ctx context.Context, id core.SessionID) (story admin.Story, err error) {
	err = a.db.within(ctx, "story of a session", func(ctx context.Context) error {
		if story.Session, err = adminSession(ctx, a.db.pool, id); err != nil {
			return err
		}
		if story.Events, err = a.events(ctx, id); err != nil {
			return err
		}
		if story.Waves, err = a.waves(ctx, id); err != nil {
			return err
		}
		story.Offers, err = a.offers(ctx, id)
		return err
	})
	return story, err
}

func (a *Admin) events(ctx context.Context, id core.SessionID) ([]admin.Event, error) {
	rows, err := a.db.pool.Query(ctx, `
		select from_status, to_status, actor_type, actor_id, reason, note, at from session_events where session_id = $1 order by id`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e admin.Event, err error) {
		err = row.Scan((*zeronull.Text)(&e.From), &e.To, &e.ActorType, &e.ActorID, &e.Reason, &e.Note, &e.At)
		return e, err
	})
}

// waves tells whom each wave considered, by name.
func (a *Admin) waves(ctx context.Context, id core.SessionID) ([]admin.Wave, error) {
	rows, err := a.db.pool.Query(ctx, `
		select w.number, w.offered, w.considered, w.created_at,
			(select jsonb_object_agg(m.id, m.display_name) from mitras m
				where m.id in (select (c->>'mitra_id')::uuid from jsonb_array_elements(w.considered) c))
		from session_waves w where w.session_id = $1 order by w.number`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w admin.Wave, err error) {
		var considered, names []byte
		if err := row.Scan(&w.Number, &w.Offered, &considered, &w.At, &names); err != nil {
			return w, err
		}
		byID := map[core.MitraID]string{}
		if err := json.Unmarshal(considered, &w.Considered); err != nil {
			return w, fmt.Errorf("considered: %w", err)
		}
		if names != nil {
			if err := json.Unmarshal(names, &byID); err != nil {
				return w, fmt.Errorf("names: %w", err)
			}
		}
		for i := range w.Considered {
			w.Considered[i].MitraName = byID[w.Considered[i].MitraID]
		}
		return w, nil
	})
}

func (a *Admin) offers(ctx context.Context, id core.SessionID) ([]admin.Offer, error) {
	rows, err := a.db.pool.Query(ctx, `
		select o.id, o.mitra_id, m.display_name, o.wave, o.status, o.decline_reason, o.created_at, o.expires_at, o.delivered_at, o.closed_at, o.rerouted_at
		from session_offers o join mitras m on m.id = o.mitra_id where o.session_id = $1 order by o.created_at, o.id limit 1000`, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o admin.Offer, err error) {
		err = row.Scan(&o.ID, &o.MitraID, &o.MitraName, &o.Wave, &o.Status, (*zeronull.Text)(&o.DeclineReason), &o.CreatedAt, &o.ExpiresAt,
			(*zeronull.Timestamptz)(&o.DeliveredAt), (*zeronull.Timestamptz)(&o.ClosedAt), (*zeronull.Timestamptz)(&o.ReroutedAt))
		return o, err
	})
}

// EndSession implements admin.Sessions.
func (a *Admin) EndSession(ctx context.Context, by core.OperatorID, id core.SessionID, note string) (s admin.Session, err error) {
	err = a.db.inTx(ctx, "end session by operator", func(ctx context.Context, t *tx) error {
		h, err := t.hold(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case h.status.Live():
			if err := t.endByOperator(ctx, by, h, note); err != nil {
				return err
			}
		case h.endReason != chat.ReasonOperator:
			return t.wrongState(ctx, id)
		}
		s, err = adminSession(ctx, t, id)
		return err
	})
	return s, err
}

func (t *tx) endByOperator(ctx context.Context, by core.OperatorID, h held, note string) error {
	over, err := t.finish(ctx, h, overFrom(h.status), actor{core.Operator, core.UserID(by)}, chat.ReasonOperator, note)
	if err != nil {
		return err
	}
	return t.audit(ctx, by, "session.end", h.id, fields{"status": h.status},
		fields{"status": over.Status, "end_reason": over.EndReason, "note": note})
}

// customersQuery lists customers. Searches leave out those who have nothing to search by, as their indexes do.
func customersQuery(search admin.Search, span admin.Span) (*query, string) {
	q := &query{}
	switch span.Order {
	case admin.ByName:
		q.and(`x.display_name <> ''`)
	case admin.ByPhone:
		q.and(`x.phone is not null`)
	}
	q.begins(search)
	return q, q.text(adminCustomerSQL, span)
}

const adminCustomerSQL = `
	select x.id, x.display_name, coalesce(x.phone, ''), coalesce(x.email, ''), x.google_sub is not null, x.apple_sub is not null,
		x.created_at, x.deleted_at
	from customers x`

func scanAdminCustomer(row pgx.CollectableRow) (c admin.Customer, err error) {
	err = row.Scan(&c.ID, &c.DisplayName, &c.Phone, &c.Email, &c.Google, &c.Apple, &c.CreatedAt, (*zeronull.Timestamptz)(&c.DeletedAt))
	return c, err
}

// Customers implements admin.Customers.
func (a *Admin) Customers(ctx context.Context, search admin.Search, span admin.Span) ([]admin.Customer, error) {
	q, sql := customersQuery(search, span)
	return listed(ctx, a.db, "list customers", q, sql, scanAdminCustomer)
}

// Customer implements admin.Customers.
func (a *Admin) Customer(ctx context.Context, id core.CustomerID) (c admin.Customer, err error) {
	err = a.db.within(ctx, "read customer", func(ctx context.Context) error {
		rows, err := a.db.pool.Query(ctx, adminCustomerSQL+` where x.id = $1`, id)
		if err != nil {
			return err
		}
		c, err = pgx.CollectExactlyOneRow(rows, scanAdminCustomer)
		if missing(err) {
			err = core.Errorf(core.NotFound, "no such customer")
		}
		return err
	})
	return c, err
}
