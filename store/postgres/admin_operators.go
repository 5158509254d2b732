package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/auth"
)

const operatorSQL = `
	select x.id, x.email, x.display_name, x.role, x.is_active, case when x.lockout_until > now() then x.lockout_until end, x.created_at
	from control_center_users x`

func scanOperator(row pgx.CollectableRow) (o admin.Operator, err error) {
	err = row.Scan(&o.ID, &o.Email, &o.DisplayName, &o.Role, &o.Active, (*zeronull.Timestamptz)(&o.LockedUntil), &o.CreatedAt)
	return o, err
}

func noOperator() error { return core.Errorf(core.NotFound, "no such user") }

// Operators implements admin.Operators.
func (a *Admin) Operators(ctx context.Context, span admin.Span) ([]admin.Operator, error) {
	q := &query{}
	sql := q.text(operatorSQL, span)
	return listed(ctx, a.db, "list operators", q, sql, scanOperator)
}

// operator reads one.
func (t *tx) operator(ctx context.Context, id core.OperatorID) (admin.Operator, error) {
	rows, err := t.Query(ctx, operatorSQL+` where x.id = $1`, id)
	if err != nil {
		return admin.Operator{}, err
	}
	o, err := pgx.CollectExactlyOneRow(rows, scanOperator)
	if missing(err) {
		err = noOperator()
	}
	return o, err
}

// AddOperator implements admin.Operators.
func (a *Admin) AddOperator(ctx context.Context, by core.OperatorID, o admin.NewOperator, hash string) (made admin.Operator, err error) {
	err = a.db.inTx(ctx, "add operator", func(ctx context.Context, t *tx) error {
		id := core.NewID[core.OperatorID]()
		_, err := t.Exec(ctx, `insert into control_center_users (id, email, display_name, role, password_hash) values ($1, $2, $3, $4, $5)`,
			id, o.Email, o.DisplayName, o.Role, hash)
		if violates(err, "control_center_users_email_key") {
			return &core.Error{Code: core.Conflict, Field: "email", Message: "a user has this address"}
		}
		if err != nil {
			return err
		}
		if made, err = t.operator(ctx, id); err != nil {
			return err
		}
		return t.audit(ctx, by, "operator.create", id, nil, operatorFields(made))
	})
	return made, err
}

func operatorFields(o admin.Operator) fields {
	return fields{"email": o.Email, "display_name": o.DisplayName, "role": o.Role, "is_active": o.Active}
}

// Two admins who take each other's rights at once are told apart by these locks: the later one finds nobody left.
const lockAdminsSQL = `
	select id from control_center_users where id = $1 or (role = 'admin' and is_active) order by id for no key update`

// ChangeOperator implements admin.Operators.
func (a *Admin) ChangeOperator(ctx context.Context, by, id core.OperatorID, change admin.OperatorChange) (now admin.Operator, err error) {
	err = a.db.inTx(ctx, "change operator", func(ctx context.Context, t *tx) error {
		if _, err := t.Exec(ctx, lockAdminsSQL, id); err != nil {
			return err
		}
		was, err := t.operator(ctx, id)
		if err != nil {
			return err
		}
		now = was
		set(&now.DisplayName, change.DisplayName)
		set(&now.Role, change.Role)
		set(&now.Active, change.Active)
		if now == was {
			return nil
		}
		if _, err := t.Exec(ctx, `update control_center_users set display_name = $2, role = $3, is_active = $4, updated_at = now() where id = $1`,
			id, now.DisplayName, now.Role, now.Active); err != nil {
			return err
		}
		if was.Role == core.Admin && was.Active {
			if err := t.anAdminStays(ctx); err != nil {
				return err
			}
		}
		switch {
		case was.Active && !now.Active:
			_, err = t.revokeAll(ctx, core.UserID(id), core.AuthSessionID{}, auth.Deactivated)
		case was.Role != now.Role:
			_, err = t.revokeAll(ctx, core.UserID(id), core.AuthSessionID{}, auth.ByOperator)
		}
		if err != nil {
			return err
		}
		return t.audit(ctx, by, "operator.change", id, operatorFields(was), operatorFields(now))
	})
	return now, err
}

// set changes what a change names.
func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

func (t *tx) anAdminStays(ctx context.Context) error {
	var stays bool
	err := t.QueryRow(ctx, `select exists (select from control_center_users where role = 'admin' and is_active)`).Scan(&stays)
	if err == nil && !stays {
		err = core.Errorf(core.Conflict, "one active admin must stay")
	}
	return err
}

// SetPassword implements admin.Operators.
func (a *Admin) SetPassword(ctx context.Context, by, id core.OperatorID, hash string, but core.AuthSessionID) error {
	return a.db.inTx(ctx, "set password", func(ctx context.Context, t *tx) error {
		done, err := t.Exec(ctx, `update control_center_users set password_hash = $2, failed_login_count = 0, lockout_until = null, updated_at = now()
			where id = $1`, id, hash)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return noOperator()
		}
		revoked, err := t.revokeAll(ctx, core.UserID(id), but, auth.PasswordSet)
		if err != nil {
			return err
		}
		return t.audit(ctx, by, "operator.password", id, nil, fields{"revoked_auth_sessions": len(revoked)})
	})
}

// lockAccountSQL locks a user of each kind, so that sign-ins wait until its auth sessions are revoked.
var lockAccountSQL = map[core.UserType]string{
	core.Operator: `select from control_center_users where id = $1 for no key update`,
	core.Mitra:    `select from mitras where id = $1 for no key update`,
	core.Customer: `select from customers where id = $1 for no key update`,
}

// auditKind names the kinds of users in the audit log.
var auditKind = map[core.UserType]string{core.Operator: "operator", core.Mitra: "mitra", core.Customer: "customer"}

// SignOut implements admin.SignOuts.
func (a *Admin) SignOut(ctx context.Context, by core.OperatorID, kind core.UserType, id core.UserID) (n int, err error) {
	err = a.db.inTx(ctx, "sign out", func(ctx context.Context, t *tx) error {
		found, err := t.Exec(ctx, lockAccountSQL[kind], id)
		if err != nil {
			return err
		}
		if found.RowsAffected() == 0 {
			return core.Errorf(core.NotFound, "no such %s", auditKind[kind])
		}
		revoked, err := t.revokeAll(ctx, id, core.AuthSessionID{}, auth.ByOperator)
		if n = len(revoked); err != nil || n == 0 {
			return err
		}
		return t.audit(ctx, by, auditKind[kind]+".sign_out", id, fields{"auth_sessions": n}, fields{"auth_sessions": 0})
	})
	return n, err
}
