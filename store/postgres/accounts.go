package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// Accounts implements the ports of core/auth: Accounts, Sessions, Codes and TestAccounts.
type Accounts struct{ db *DB }

// Accounts is the store of users, their auth sessions and phone codes.
func (db *DB) Accounts() *Accounts { return &Accounts{db} }

// people are the users of all three kinds in one shape. A condition on user_type and id reaches one primary key of one table.
const people = `(
	select 'customer' as user_type, id, '' as role, display_name, coalesce(phone, '') as phone, coalesce(email, '') as email,
		phone is null and google_sub is null and apple_sub is null as anonymous, deleted_at is null as active, created_at
	from customers
	union all
	select 'mitra', id, '', display_name, phone, '', false, is_active, created_at from mitras
	union all
	select 'cc_user', id, role, display_name, '', email, false, is_active, created_at from control_center_users)`

const accountSQL = `
	select p.user_type, p.id, p.role, p.display_name, p.phone, p.email, p.anonymous, p.active, p.created_at
	from ` + people + ` p where p.user_type = $1 and p.id = $2`

func scanAccount(row pgx.Row) (a auth.Account, err error) {
	err = row.Scan(&a.Type, &a.ID, &a.Role, &a.DisplayName, &a.Phone, &a.Email, &a.Anonymous, &a.Active, &a.CreatedAt)
	if missing(err) {
		err = core.Errorf(core.NotFound, "no such account")
	}
	return a, err
}

// Account implements auth.Accounts.
func (a *Accounts) Account(ctx context.Context, user core.UserType, id core.UserID) (account auth.Account, err error) {
	err = a.db.within(ctx, "read account", func(ctx context.Context) error {
		account, err = scanAccount(a.db.pool.QueryRow(ctx, accountSQL, user, id))
		return err
	})
	return account, err
}

// SignUp implements auth.Accounts.
func (a *Accounts) SignUp(ctx context.Context, session auth.NewSession) (account auth.Account, err error) {
	err = a.db.inTx(ctx, "sign up", func(ctx context.Context, tx *tx) error {
		id := core.NewID[core.CustomerID]()
		if _, err := tx.Exec(ctx, `insert into customers (id) values ($1)`, id); err != nil {
			return err
		}
		account, err = tx.signedIn(ctx, core.Customer, core.UserID(id), session)
		return err
	})
	return account, err
}

// SignIn implements auth.Accounts.
func (a *Accounts) SignIn(ctx context.Context, user core.UserType, identity auth.Identity, session auth.NewSession) (account auth.Account, err error) {
	err = a.db.inTx(ctx, "sign in", func(ctx context.Context, tx *tx) error {
		find := tx.customerBy
		if user == core.Mitra {
			find = tx.mitraBy
		}
		id, err := find(ctx, identity)
		if err != nil {
			return err
		}
		account, err = tx.signedIn(ctx, user, id, session)
		return err
	})
	return account, err
}

// customerBy finds the customer who holds an identity, or makes one.
func (t *tx) customerBy(ctx context.Context, identity auth.Identity) (id core.UserID, err error) {
	column, err := identityColumn(identity.Kind)
	if err != nil {
		return id, err
	}
	if _, err := t.Exec(ctx, `insert into customers (id, `+column+`) values ($1, $2)
		on conflict (`+column+`) where `+column+` is not null do nothing`, core.NewID[core.CustomerID](), identity.Value); err != nil {
		return id, err
	}
	err = t.QueryRow(ctx, `select id from customers where `+column+` = $1 for no key update`, identity.Value).Scan(&id)
	if missing(err) {
		return id, errAgain // unlinked or deleted between the two statements
	}
	if err != nil {
		return id, err
	}
	return id, t.attach(ctx, core.CustomerID(id), identity)
}

// attach keeps what came with an identity: an address to show, unless there is one or it is another account's, and what Apple wants
// revoked one day.
func (t *tx) attach(ctx context.Context, customer core.CustomerID, identity auth.Identity) error {
	if identity.Email != "" {
		if _, err := t.Exec(ctx, `update customers set email = $2, updated_at = now()
			where id = $1 and email is null and not exists (select from customers where email = $2)`, customer, identity.Email); err != nil {
			if violates(err, "customers_email") {
				return errAgain // another account got it just now
			}
			return err
		}
	}
	if identity.Apple == nil {
		return nil
	}
	_, err := t.Exec(ctx, `insert into apple_tokens (customer_id, client_id, key_id, sealed) values ($1, $2, $3, $4)
		on conflict (customer_id) do update set client_id = excluded.client_id, key_id = excluded.key_id, sealed = excluded.sealed`,
		customer, identity.Apple.Client, identity.Apple.KeyID, identity.Apple.Sealed)
	return err
}

// mitraBy finds an active mitra. The share lock makes a deactivation, which revokes all auth sessions, wait for this one's.
func (t *tx) mitraBy(ctx context.Context, identity auth.Identity) (id core.UserID, err error) {
	var active bool
	err = t.QueryRow(ctx, `select id, is_active from mitras where phone = $1 for share`, identity.Value).Scan(&id, &active)
	if missing(err) || (err == nil && !active) {
		return id, core.Errorf(core.AccountInactive, "the account is deactivated")
	}
	return id, err
}

// identityColumn names the column of customers that holds an identity.
func identityColumn(kind auth.IdentityKind) (string, error) {
	switch kind {
	case auth.ByPhone:
		return "phone", nil
	case auth.ByGoogle:
		return "google_sub", nil
	case auth.ByApple:
		return "apple_sub", nil
	}
	return "", core.Errorf(core.Internal, "no such kind of identity")
}

// signedIn opens an auth session and reads the account that it belongs to.
func (t *tx) signedIn(ctx context.Context, user core.UserType, id core.UserID, session auth.NewSession) (auth.Account, error) {
	if _, err := t.Exec(ctx, openSessionSQL, session.ID, user, id, session.Salt, session.Hash, session.TTL.Seconds(),
		session.Device.UserAgent, inet(session.Device.IP), session.Idle.Seconds()); err != nil {
		return auth.Account{}, err
	}
	account, err := scanAccount(t.QueryRow(ctx, accountSQL, user, id))
	if err == nil && !account.Active {
		err = core.Errorf(core.AccountInactive, "the account is deactivated")
	}
	return account, err
}

const openSessionSQL = `
	insert into auth_sessions (id, user_type, user_id, salt, refresh_hash, expires_at, user_agent, ip, idle_ttl)
	values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6), $7, $8, make_interval(secs => $9))`

// Link implements auth.Accounts.
func (a *Accounts) Link(ctx context.Context, customer core.CustomerID, identity auth.Identity) (account auth.Account, err error) {
	column, err := identityColumn(identity.Kind)
	if err != nil {
		return account, err
	}
	err = a.db.inTx(ctx, "link identity", func(ctx context.Context, tx *tx) error {
		done, err := tx.Exec(ctx, `update customers set `+column+` = $2, updated_at = now()
			where id = $1 and deleted_at is null and coalesce(`+column+`, $2) = $2`, customer, identity.Value)
		if violates(err, "customers_"+string(identity.Kind)) {
			return core.Errorf(core.IdentityInUse, "another account holds this %s", identity.Kind)
		}
		if err != nil {
			return err
		}
		if done.RowsAffected() == 1 {
			if err := tx.attach(ctx, customer, identity); err != nil {
				return err
			}
		}
		account, err = scanAccount(tx.QueryRow(ctx, accountSQL, core.Customer, customer))
		switch {
		case err == nil && !account.Active:
			err = core.Errorf(core.NotFound, "no such account")
		case err == nil && done.RowsAffected() == 0:
			err = core.Errorf(core.Conflict, "the account has another %s", identity.Kind)
		}
		return err
	})
	return account, err
}
