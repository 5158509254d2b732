package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
)

// Admin implements the stores of core/admin.
type Admin struct{ db *DB }

var (
	_ admin.Operators = (*Admin)(nil)
	_ admin.Mitras    = (*Admin)(nil)
	_ admin.Duty      = (*Admin)(nil)
	_ admin.Customers = (*Admin)(nil)
	_ admin.SignOuts  = (*Admin)(nil)
	_ admin.Sessions  = (*Admin)(nil)
	_ admin.Catalogue = (*Admin)(nil)
	_ admin.Config    = (*Admin)(nil)
	_ admin.Money     = (*Admin)(nil)
	_ admin.Audit     = (*Admin)(nil)
	_ admin.Numbers   = (*Admin)(nil)
)

// Admin is the control center's part of the store.
func (db *DB) Admin() *Admin { return &Admin{db} }

// Stores are the ports of core/admin, all of them this one.
func (a *Admin) Stores() admin.Stores {
	return admin.Stores{
		Operators: a, Mitras: a, Duty: a, Customers: a, SignOuts: a, Sessions: a, Catalogue: a, Config: a, Money: a, Audit: a, Numbers: a,
	}
}

// fields are what an audit line tells of a subject before or after a change; nil: there was nothing.
type fields map[string]any

// audit notes a change in its own transaction. A subject without an id has the zero one.
func (t *tx) audit(ctx context.Context, by core.OperatorID, action string, subject [16]byte, before, after fields) error {
	kind, _, _ := strings.Cut(action, ".")
	_, err := t.Exec(ctx, `
		insert into audit_logs (operator_id, action, subject_type, subject_id, before, after) values ($1, $2, $3, $4, $5, $6)`,
		by, action, kind, core.UserID(subject), before.json(), after.json())
	return err
}

// json is NULL for nothing.
func (f fields) json() []byte {
	if f == nil {
		return nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("postgres: audit fields: %v", err)) // strings, numbers and booleans always encode
	}
	return text
}

// query puts a list's statement together: every choice of filters is a statement of its own, so that each gets the plan that its
// index is for.
type query struct {
	where []string
	args  []any
}

// and adds a condition, in which each %s stands for one of the values.
func (q *query) and(condition string, values ...any) {
	placeholders := make([]any, len(values))
	for i, v := range values {
		q.args = append(q.args, v)
		placeholders[i] = fmt.Sprintf("$%d", len(q.args))
	}
	q.where = append(q.where, fmt.Sprintf(condition, placeholders...))
}

// begins adds the search for the beginning of a name or a phone of table x, as a range that an index has.
func (q *query) begins(s admin.Search) {
	switch {
	case s.Name != "":
		q.and(`lower(x.display_name) collate "C" >= lower(%[1]s) collate "C" and lower(x.display_name) collate "C" < (lower(%[1]s) || chr(1114111)) collate "C"`, s.Name)
	case s.Phone != "":
		q.and(`x.phone collate "C" >= %[1]s and x.phone collate "C" < (%[1]s || ':')`, s.Phone) // ':' comes after the digits
	}
}

// text is the whole statement: head, the conditions, the span's order and limit. The table that is listed is x.
func (q *query) text(head string, span admin.Span) string {
	order := ""
	switch span.Order {
	case admin.Newest:
		order = `x.created_at desc, x.id desc`
		if k := span.After; k != nil {
			q.and(`(x.created_at, x.id) < (%s, %s::uuid)`, k.At, core.UserID(k.ID))
		}
	case admin.Latest:
		order = `x.id desc`
		if k := span.After; k != nil {
			q.and(`x.id < %s`, k.Number)
		}
	case admin.ByName:
		order = `lower(x.display_name) collate "C", x.id`
		if k := span.After; k != nil {
			q.and(`(lower(x.display_name) collate "C", x.id) > (lower(%s) collate "C", %s::uuid)`, k.Text, core.UserID(k.ID))
		}
	case admin.ByPhone:
		order = `x.phone collate "C"`
		if k := span.After; k != nil {
			q.and(`x.phone collate "C" > %s`, k.Text)
		}
	}
	where := ""
	if len(q.where) > 0 {
		where = " where " + strings.Join(q.where, " and ")
	}
	q.args = append(q.args, span.Limit)
	return fmt.Sprintf("%s%s order by %s limit $%d", head, where, order, len(q.args))
}

// listed runs a list's statement, planned for its parameters each time: how many names begin with a letter depends on the
// letter.
func listed[T any](ctx context.Context, db *DB, op string, q *query, sql string, scan pgx.RowToFunc[T]) (items []T, err error) {
	err = db.within(ctx, op, func(ctx context.Context) error {
		rows, err := db.pool.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, q.args...)...)
		if err != nil {
			return err
		}
		items, err = pgx.CollectRows(rows, scan)
		return err
	})
	return items, err
}

// auditQuery is the audit log, of everybody and everything or of one.
func auditQuery(filter admin.AuditFilter, span admin.Span) (*query, string) {
	q := &query{}
	if !filter.Operator.IsZero() {
		q.and(`x.operator_id = %s`, filter.Operator)
	}
	if !filter.Subject.IsZero() {
		q.and(`x.subject_id = %s`, filter.Subject)
	}
	return q, q.text(`
		select x.id, x.operator_id, coalesce(u.email, ''), x.action, x.subject_type, x.subject_id, x.before, x.after, x.at
		from audit_logs x left join control_center_users u on u.id = x.operator_id`, span)
}

// AuditLog implements admin.Audit.
func (a *Admin) AuditLog(ctx context.Context, filter admin.AuditFilter, span admin.Span) ([]admin.AuditEntry, error) {
	q, sql := auditQuery(filter, span)
	return listed(ctx, a.db, "audit log", q, sql, func(row pgx.CollectableRow) (e admin.AuditEntry, err error) {
		err = row.Scan(&e.ID, &e.OperatorID, &e.OperatorEmail, &e.Action, &e.SubjectType, &e.SubjectID,
			(*[]byte)(&e.Before), (*[]byte)(&e.After), &e.At)
		return e, err
	})
}
