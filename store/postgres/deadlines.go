package postgres

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// One more row than asked for is read from the head of the index: the first that is not due yet tells how long to wait.
const dueSQL = `
	select id, status, status = 'active' and ends_at > now(), due_at <= now(), extract(epoch from due_at - now()) * 1000
	from chat_sessions where due_at is not null order by due_at limit $1 + 1`

// Due implements chat.Deadlines. wait is zero when more are due than limit.
func (c *Chat) Due(ctx context.Context, limit int) (due []chat.Due, wait time.Duration, err error) {
	err = c.db.within(ctx, "due sessions", func(ctx context.Context) error {
		due, wait = nil, 0
		rows, err := c.db.pool.Query(ctx, dueSQL, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var next chat.Due
			var isDue bool
			var ms float64
			if err := rows.Scan(&next.ID, &next.Status, &next.Warn, &isDue, &ms); err != nil {
				return err
			}
			if !isDue {
				wait = max(time.Duration(ms*float64(time.Millisecond)), time.Millisecond)
				break
			}
			if len(due) < limit {
				due = append(due, next)
			}
		}
		rows.Close()
		return rows.Err()
	})
	return due, wait, err
}

// Expire implements chat.Deadlines.
func (c *Chat) Expire(ctx context.Context, id core.SessionID) error {
	return c.over(ctx, "expire session", id, chat.Active, chat.Ended, chat.ReasonExpired)
}

// PaymentTimeout implements chat.Deadlines.
func (c *Chat) PaymentTimeout(ctx context.Context, id core.SessionID) error {
	return c.over(ctx, "payment time-out", id, chat.PendingPayment, chat.Cancelled, chat.ReasonPaymentTimeout)
}

// over ends a session in the given status whose deadline has passed; any other it leaves alone.
func (c *Chat) over(ctx context.Context, op string, id core.SessionID, from, to chat.Status, reason chat.EndReason) error {
	return c.db.inTx(ctx, op, func(ctx context.Context, t *tx) error {
		h, err := t.hold(ctx, id)
		if err != nil {
			return err
		}
		if h.status != from || !h.due {
			return nil
		}
		_, err = t.finish(ctx, h, to, system, reason, "")
		return err
	})
}

const warnSQL = `
	with s as (
		update chat_sessions set ending_soon = true, version = version + 1
		where id = $1 and status = 'active' and not ending_soon and warn_at <= statement_timestamp() returning *)
	select` + sessionColumns + ` from s` + sessionJoins

// WarnEnding implements chat.Deadlines.
func (c *Chat) WarnEnding(ctx context.Context, id core.SessionID) error {
	return c.db.inTx(ctx, "warn of the end", func(ctx context.Context, t *tx) error {
		s, err := scanSession(t.QueryRow(ctx, warnSQL, id), c.db.settings.Current().CustomerAnonymity)
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return t.tell(s)
	})
}
