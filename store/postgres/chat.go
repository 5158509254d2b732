package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// Chat implements chat.Store and chat.Deadlines.
type Chat struct{ db *DB }

var (
	_ chat.Store     = (*Chat)(nil)
	_ chat.Deadlines = (*Chat)(nil)
)

// Chat is the sessions' part of the store.
func (db *DB) Chat() *Chat { return &Chat{db} }

// Live implements chat.Store. Calls within a millisecond share a statement.
func (c *Chat) Live(ctx context.Context, who core.Principal) ([]chat.Session, error) {
	return c.db.lives.do(ctx, who)
}

// The two halves each use an index of their own, which an OR would not.
const liveSQL = `select` + sessionColumns + ` from chat_sessions s` + sessionJoins + `
	where s.id in (
		select id from chat_sessions where customer_id = any($1) and status in ('searching', 'pending_payment', 'active')
		union all
		select id from chat_sessions where mitra_id = any($2) and status in ('pending_payment', 'active'))
	order by s.created_at, s.id`

func (db *DB) readLive(ctx context.Context, users []core.Principal) ([][]chat.Session, error) {
	var customers []core.CustomerID
	var mitras []core.MitraID
	for _, who := range users {
		if who.Type == core.Mitra {
			mitras = append(mitras, who.Mitra())
		} else {
			customers = append(customers, who.Customer())
		}
	}
	var live []chat.Session
	err := db.within(ctx, "live sessions", func(ctx context.Context) error {
		shown := db.settings.Current().CustomerAnonymity
		rows, err := db.pool.Query(ctx, liveSQL, uuids(customers), uuids(mitras))
		if err != nil {
			return err
		}
		live, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (chat.Session, error) { return scanSession(row, shown) })
		return err
	})
	if err != nil {
		return nil, err
	}
	ofUser := make(map[core.UserID][]chat.Session, len(users))
	for _, s := range live {
		ofUser[core.UserID(s.CustomerID)] = append(ofUser[core.UserID(s.CustomerID)], s)
		if !s.MitraID.IsZero() {
			ofUser[core.UserID(s.MitraID)] = append(ofUser[core.UserID(s.MitraID)], s)
		}
	}
	answers := make([][]chat.Session, len(users))
	for i, who := range users {
		answers[i] = ofUser[who.ID]
	}
	return answers, nil
}

// End implements chat.Store.
func (c *Chat) End(ctx context.Context, id core.SessionID, by core.Principal, note string) (s chat.Session, err error) {
	reason := chat.ReasonCustomer
	if by.Type == core.Mitra {
		reason = chat.ReasonMitra
	}
	err = c.db.inTx(ctx, "end session", func(ctx context.Context, t *tx) error {
		h, err := t.hold(ctx, id)
		if err != nil {
			return err
		}
		if core.UserID(h.customer) != by.ID && core.UserID(h.mitra) != by.ID {
			return noSession()
		}
		if h.status == chat.Ended && h.endReason == reason {
			s, err = c.db.session(ctx, t, id)
			return err
		}
		s, err = t.finish(ctx, h, chat.Ended, actor{by.Type, by.ID}, reason, note)
		return err
	})
	return s, err
}

// Packages implements chat.Store.
func (c *Chat) Packages(ctx context.Context) (packages []chat.Package, err error) {
	err = c.db.within(ctx, "packages", func(ctx context.Context) error {
		rows, err := c.db.pool.Query(ctx, `
			select id, name, duration_minutes, price from session_packages where is_active order by price, duration_minutes, id`)
		if err != nil {
			return err
		}
		packages, err = pgx.CollectRows(rows, pgx.RowToStructByPos[chat.Package])
		return err
	})
	return packages, err
}
