package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

const orphansSQL = `
	update apple_tokens set tries = tries + 1, due_at = now() + least(interval '1 minute' * power(2, least(tries, 10)), interval '6 hours')
	where customer_id = any(array(
		select customer_id from apple_tokens where due_at <= now() order by due_at limit $1 for update skip locked))
	returning customer_id, client_id, key_id, sealed, tries`

// Orphans implements auth.AppleTokens.
func (a *Accounts) Orphans(ctx context.Context, limit int) ([]auth.SealedToken, error) {
	return a.sealed(ctx, "claim Apple's tokens of deleted accounts", orphansSQL, limit)
}

// SealedOtherwise implements auth.AppleTokens.
func (a *Accounts) SealedOtherwise(ctx context.Context, keyID string, after core.CustomerID, limit int) ([]auth.SealedToken, error) {
	return a.sealed(ctx, "read Apple's tokens of an older key", `
		select customer_id, client_id, key_id, sealed, tries from apple_tokens
		where key_id <> $1 and ($2::uuid is null or customer_id > $2) order by customer_id limit $3`, keyID, after, limit)
}

func (a *Accounts) sealed(ctx context.Context, op, sql string, args ...any) (found []auth.SealedToken, err error) {
	err = a.db.within(ctx, op, func(ctx context.Context) error {
		rows, err := a.db.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[auth.SealedToken])
		return err
	})
	return found, err
}

// Forget implements auth.AppleTokens.
func (a *Accounts) Forget(ctx context.Context, customer core.CustomerID) error {
	return a.db.within(ctx, "forget Apple's token", func(ctx context.Context) error {
		_, err := a.db.pool.Exec(ctx, `delete from apple_tokens where customer_id = $1 and due_at is not null`, customer)
		return err
	})
}

// Reseal implements auth.AppleTokens.
func (a *Accounts) Reseal(ctx context.Context, old, renewed auth.SealedToken) error {
	return a.db.within(ctx, "reseal Apple's token", func(ctx context.Context) error {
		_, err := a.db.pool.Exec(ctx, `update apple_tokens set key_id = $3, sealed = $4 where customer_id = $1 and key_id = $2 and sealed = $5`,
			old.Customer, old.KeyID, renewed.KeyID, renewed.Sealed, old.Sealed)
		return err
	})
}
