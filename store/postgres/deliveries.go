package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core/payment"
)

// Keep implements payment.Deliveries.
func (m *Payments) Keep(ctx context.Context, d payment.Delivery) error {
	return m.exec(ctx, "keep webhook", `
		insert into payment_webhooks (id, provider, delivery, event, reference, payment_id, body) values ($1, $2, $3, $4, $5, $6, $7)`,
		d.ID, d.Provider, d.Delivery, d.Event, d.Reference, d.PaymentID, d.Body)
}

// Handled implements payment.Deliveries.
func (m *Payments) Handled(ctx context.Context, id payment.DeliveryID, outcome payment.Outcome) error {
	return m.exec(ctx, "webhook handled", `
		update payment_webhooks set outcome = $2, handled_at = now() where id = $1 and outcome is null`, id, outcome)
}

// handled_at holds the lease until there is an outcome.
const unhandledSQL = `
	update payment_webhooks set handled_at = now()
	where id = any(array(
		select id from payment_webhooks
		where outcome is null and received_at < now() - $1::interval and coalesce(handled_at, received_at) < now() - $1::interval
		order by received_at limit $2 for update skip locked))
	returning id, provider, delivery, event, reference, payment_id, body`

// Unhandled implements payment.Deliveries.
func (m *Payments) Unhandled(ctx context.Context, age time.Duration, limit int) (left []payment.Delivery, err error) {
	err = m.db.within(ctx, "unhandled webhooks", func(ctx context.Context) error {
		rows, err := m.db.pool.Query(ctx, unhandledSQL, age, limit)
		if err != nil {
			return err
		}
		left, err = pgx.CollectRows(rows, pgx.RowToStructByPos[payment.Delivery])
		return err
	})
	return left, err
}
