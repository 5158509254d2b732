package postgres

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
)

// Seed writes what a fresh database needs. Every method may be run any number of times: what is there stays as operators
// left it.
type Seed struct{ db *DB }

// Seed is the first rows' part of the store.
func (db *DB) Seed() *Seed { return &Seed{db} }

// Packages puts the first packages on sale, one of them free, unless they were there before.
func (s *Seed) Packages(ctx context.Context) error {
	return s.exec(ctx, "seed packages", `
		insert into session_packages (id, name, duration_minutes, price) values
			('01980000-0000-7000-8000-000000000001', 'Kenalan 5 menit', 5, 0),
			('01980000-0000-7000-8000-000000000002', 'Curhat 15 menit', 15, 25000),
			('01980000-0000-7000-8000-000000000003', 'Curhat 30 menit', 30, 45000),
			('01980000-0000-7000-8000-000000000004', 'Curhat 60 menit', 60, 80000)
		on conflict (id) do nothing`)
}

// Config writes the default of every row of app_config that is not there, so that operators find them all.
func (s *Seed) Config(ctx context.Context) error {
	var keys []string
	var values []string
	for _, setting := range core.SettingsTable {
		keys = append(keys, setting.Key)
		values = append(values, setting.DefaultJSON())
	}
	return s.exec(ctx, "seed app_config", `
		insert into app_config (key, value) select * from unnest($1::text[], $2::jsonb[]) on conflict (key) do nothing`, keys, values)
}

// Operator makes the first admin, unless the address is taken: an existing operator keeps its password. passwordHash is
// bcrypt's.
func (s *Seed) Operator(ctx context.Context, email, passwordHash string) error {
	return s.exec(ctx, "seed operator", `
		insert into control_center_users (id, email, display_name, password_hash, role) values ($1, lower($2), 'Admin', $3, 'admin')
		on conflict (email) do nothing`, core.NewID[core.OperatorID](), email, passwordHash)
}

// HasOperator tells whether the address is taken, so that no password is hashed for nothing.
func (s *Seed) HasOperator(ctx context.Context, email string) (has bool, err error) {
	err = s.db.within(ctx, "look for operator", func(ctx context.Context) error {
		return s.db.pool.QueryRow(ctx, `select exists (select from control_center_users where email = lower($1))`, email).Scan(&has)
	})
	return has, err
}

// Mitra makes a mitra for demonstrations, unless the phone number (E.164) is taken.
func (s *Seed) Mitra(ctx context.Context, phone, displayName string) error {
	return s.exec(ctx, "seed mitra", `
		insert into mitras (id, phone, display_name, is_test) values ($1, $2, $3, true) on conflict (phone) do nothing`,
		core.NewID[core.MitraID](), phone, displayName)
}

func (s *Seed) exec(ctx context.Context, op, sql string, args ...any) error {
	return s.db.within(ctx, op, func(ctx context.Context) error {
		_, err := s.db.pool.Exec(ctx, sql, args...)
		return err
	})
}
