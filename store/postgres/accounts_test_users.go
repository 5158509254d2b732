package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// SeedMitra implements auth.TestAccounts.
func (a *Accounts) SeedMitra(ctx context.Context, phone, name string, session auth.NewSession) (account auth.Account, err error) {
	err = a.db.inTx(ctx, "seed mitra", func(ctx context.Context, tx *tx) error {
		var id core.MitraID
		err := tx.QueryRow(ctx, seedMitraSQL, core.NewID[core.MitraID](), phone, name).Scan(&id)
		if missing(err) {
			return core.Errorf(core.Conflict, "the phone is a real mitra's")
		}
		if err != nil {
			return err
		}
		tx.changed(id)
		account, err = tx.signedIn(ctx, core.Mitra, core.UserID(id), session)
		return err
	})
	return account, err
}

const seedMitraSQL = `
	insert into mitras (id, phone, display_name, is_test) values ($1, $2, $3, true)
	on conflict (phone) do update
	set display_name = excluded.display_name, is_active = true, version = mitras.version + 1, updated_at = now()
	where mitras.is_test
	returning id`

// Fill implements auth.TestAccounts.
func (a *Accounts) Fill(ctx context.Context, user core.UserType, sessions []auth.NewSession, phones []string) (made []auth.Session, err error) {
	sql := fillCustomersSQL
	if user == core.Mitra {
		sql = fillMitrasSQL
	}
	users, ids := make([]core.UserID, len(sessions)), make([]core.AuthSessionID, len(sessions))
	salts, hashes, lives := make([][]byte, len(sessions)), make([]string, len(sessions)), make([]float64, len(sessions))
	for i, s := range sessions {
		users[i], ids[i], salts[i], hashes[i], lives[i] = core.NewID[core.UserID](), s.ID, s.Salt, s.Hash, s.TTL.Seconds()
	}
	err = a.db.inTx(ctx, "make test users", func(ctx context.Context, tx *tx) error {
		rows, err := tx.Query(ctx, sql, users, phones, ids, salts, hashes, lives)
		if err != nil {
			return err
		}
		made, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s auth.Session, err error) {
			s.Account = auth.Account{Type: user, Active: true}
			err = row.Scan(&s.ID, &s.Account.ID)
			return s, err
		})
		if err != nil || user != core.Mitra {
			return err
		}
		for _, s := range made {
			tx.changed(core.MitraID(s.Account.ID))
		}
		return nil
	})
	return made, err
}

// given are the parameters of both statements as rows.
const given = `
	with given as (select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bytea[], $5::text[], $6::float8[])
		as g (user_id, phone, session_id, salt, hash, life)),`

const fillMitrasSQL = given + `
	made as (insert into mitras (id, phone, display_name, is_test)
		select user_id, phone, 'Mitra ' || right(phone, 4), true from given on conflict (phone) do nothing returning id)
	insert into auth_sessions (id, user_type, user_id, salt, refresh_hash, expires_at)
	select g.session_id, 'mitra', g.user_id, g.salt, g.hash, now() + make_interval(secs => g.life) from given g join made on made.id = g.user_id
	returning id, user_id`

const fillCustomersSQL = given + `
	made as (insert into customers (id) select user_id from given returning id)
	insert into auth_sessions (id, user_type, user_id, salt, refresh_hash, expires_at)
	select g.session_id, 'customer', g.user_id, g.salt, g.hash, now() + make_interval(secs => g.life) from given g join made on made.id = g.user_id
	returning id, user_id`
