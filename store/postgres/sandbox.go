package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/core/payment/sandbox"
)

// Sandbox implements sandbox.Desk: what a real vendor of payments keeps at its own side.
type Sandbox struct{ db *DB }

var _ sandbox.Desk = (*Sandbox)(nil)

// Sandbox is the payment sandbox's part of the store.
func (db *DB) Sandbox() *Sandbox { return &Sandbox{db} }

const sandboxColumns = `id, reference, case when status = 'active' and expires_at <= now() then 'expired' else status end, expires_at, amount`

func scanCheckout(row pgx.CollectableRow) (c payment.Checkout, err error) {
	err = row.Scan(&c.ID, &c.Reference, &c.State, &c.ExpiresAt, &c.Amount)
	return c, err
}

func noCheckout() error { return core.Errorf(core.NotFound, "no such session") }

func (s *Sandbox) one(ctx context.Context, op, sql string, args ...any) (c payment.Checkout, err error) {
	err = s.db.within(ctx, op, func(ctx context.Context) error {
		c, err = one(ctx, s.db.pool, noCheckout, scanCheckout, sql, args...)
		return err
	})
	return c, err
}

// Open implements sandbox.Desk. The update that changes nothing has the row returned.
func (s *Sandbox) Open(ctx context.Context, c payment.Checkout) (payment.Checkout, error) {
	return s.one(ctx, "open sandbox session", `
		insert into sandbox_checkouts (id, reference, amount, expires_at) values ($1, $2, $3, $4)
		on conflict (reference) do update set reference = excluded.reference
		returning `+sandboxColumns, c.ID, c.Reference, c.Amount, c.ExpiresAt)
}

// Read implements sandbox.Desk.
func (s *Sandbox) Read(ctx context.Context, id string) (payment.Checkout, error) {
	return s.one(ctx, "read sandbox session", `select `+sandboxColumns+` from sandbox_checkouts where id = $1`, id)
}

// Close implements sandbox.Desk.
func (s *Sandbox) Close(ctx context.Context, id string, to payment.State) (c payment.Checkout, done bool, err error) {
	c, err = s.one(ctx, "close sandbox session", `
		update sandbox_checkouts set status = $2 where id = $1 and status = 'active' and expires_at > now() returning `+sandboxColumns, id, to)
	if core.CodeOf(err) != core.NotFound {
		return c, err == nil, err
	}
	c, err = s.Read(ctx, id)
	return c, false, err
}
