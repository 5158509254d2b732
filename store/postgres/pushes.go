package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/core/push"
)

// Pushes implements push.Queue.
type Pushes struct{ db *DB }

var _ push.Queue = (*Pushes)(nil)

// Pushes is the queue of pushes.
func (db *DB) Pushes() *Pushes { return &Pushes{db} }

// draftPush is a push that commits with its transaction: to each device that the user has then.
type draftPush struct {
	kind    push.Kind
	to      core.UserID
	session core.SessionID
	until   time.Time // zero: for push.Life
}

// pushMove pushes a session's step out of a status to those of its sides to whom it matters with the app closed.
func (t *tx) pushMove(from chat.Status, s chat.Session) {
	customer := draftPush{to: core.UserID(s.CustomerID), session: s.ID, until: s.DeadlineAt}
	both := false
	switch {
	case s.Status == from:
		return
	case s.Status == chat.Active:
		customer.kind, both = push.SessionStarted, true
	case s.Status == chat.PendingPayment:
		customer.kind = push.PaymentDue
	case s.Status == chat.Unmatched:
		customer.kind = push.SearchEnded
	case s.Status == chat.Searching, from == chat.Searching && s.EndReason == chat.ReasonCustomer:
		return // it goes on, or the customer gave it up
	default:
		customer.kind, both = push.SessionEnded, true
	}
	t.pushes = append(t.pushes, customer)
	if both && !s.MitraID.IsZero() {
		mitra := customer
		mitra.to = core.UserID(s.MitraID)
		t.pushes = append(t.pushes, mitra)
	}
}

// pushLost pushes to a mitra that a session of its is over for it, and goes on with another.
func (t *tx) pushLost(mitra core.MitraID, s chat.Session) {
	t.pushes = append(t.pushes, draftPush{kind: push.SessionEnded, to: core.UserID(mitra), session: s.ID})
}

// pushMode pushes a change of mode that the mitra did not make.
func (t *tx) pushMode(mitra core.MitraID, change presence.Change) {
	others := []presence.Reason{presence.HeartbeatTimeout, presence.IgnoredOffers, presence.ByOperator}
	if change.Mode == presence.Offline && slices.Contains(others, change.Reason) {
		t.pushes = append(t.pushes, draftPush{kind: push.SetOffline, to: core.UserID(mitra)})
	}
}

// queuePushesSQL goes before flushSQL, whose parameters end at $4: pushes cost no statement of their own, and users without
// devices no row.
const queuePushesSQL = `
	with queued as (
		insert into pushes (kind, user_id, token, session_id, expires_at)
		select p.kind, d.user_id, d.token, p.session_id, coalesce(p.until, statement_timestamp() + $9::interval)
		from unnest($5::text[], $6::uuid[], $7::uuid[], $8::timestamptz[]) p (kind, user_id, session_id, until)
		join device_tokens d on d.user_id = p.user_id)`

// pushArgs are the parameters of queuePushesSQL.
func (t *tx) pushArgs() []any {
	var (
		kinds    []string
		users    []core.UserID
		sessions []core.SessionID
		until    []zeronull.Timestamptz
	)
	for _, p := range t.pushes {
		kinds, users = append(kinds, string(p.kind)), append(users, p.to)
		sessions, until = append(sessions, p.session), append(until, zeronull.Timestamptz(p.until))
	}
	return []any{kinds, users, sessions, until, push.Life}
}

// The offers are locked without waiting; who accepts or receives one at this moment has it locked and needs no push.
const takeOffersSQL = `
	with due as materialized (
		select id from session_offers where status = 'offered' and push_due_at <= now()
		order by push_due_at limit $1 for no key update skip locked),
	taken as (
		update session_offers o set push_due_at = null from due where o.id = due.id
		returning o.id, o.mitra_id, o.expires_at),
	queued as (
		insert into pushes (kind, user_id, token, offer_id, expires_at)
		select 'offer', d.user_id, d.token, t.id, t.expires_at from taken t join device_tokens d on d.user_id = t.mitra_id
		where t.expires_at > now())
	select (select count(*) from taken),
		coalesce((select extract(epoch from min(push_due_at) - now()) * 1000 from session_offers
			where status = 'offered' and push_due_at > now()), 0)`

// TakeOffers implements push.Queue.
func (p *Pushes) TakeOffers(ctx context.Context, limit int) (taken int, wait time.Duration, err error) {
	err = p.db.within(ctx, "take offers to push", func(ctx context.Context) error {
		var ms float64
		err := p.db.pool.QueryRow(ctx, takeOffersSQL, limit).Scan(&taken, &ms)
		wait = time.Duration(ms * float64(time.Millisecond))
		return err
	})
	return taken, wait, err
}

// A push is wanted while its time lasts, its device is still its user's and the sign-in is not over (a device may register at the
// moment of its logout and slip through), and, if it is of an offer, nobody has answered or closed that.
const claimPushesSQL = `
	with picked as materialized (
		select p.id, p.kind, p.user_id, p.offer_id, p.session_id, p.token, d.platform, p.expires_at, p.attempts,
			p.expires_at > now() and d.token is not null and a.revoked_at is null
				and (p.offer_id is null or o.status = 'offered') as wanted
		from pushes p
		left join device_tokens d on d.token = p.token and d.user_id = p.user_id
		left join auth_sessions a on a.id = d.auth_session_id
		left join session_offers o on o.id = p.offer_id
		where p.due_at <= now() order by p.due_at limit $1 for update of p skip locked),
	dropped as (delete from pushes where id in (select id from picked where wanted is not true)),
	claimed as (
		update pushes set due_at = now() + $2::interval, attempts = attempts + 1 where id in (select id from picked where wanted))
	select id, kind, user_id, offer_id, session_id, token, platform, expires_at,
		extract(epoch from expires_at - now()) * 1000, attempts + 1
	from picked where wanted`

// Claim implements push.Queue.
func (p *Pushes) Claim(ctx context.Context, limit int, hold time.Duration) (claimed []push.Push, err error) {
	err = p.db.within(ctx, "claim pushes", func(ctx context.Context) error {
		rows, err := p.db.pool.Query(ctx, claimPushesSQL, limit, hold)
		if err != nil {
			return err
		}
		claimed, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c push.Push, err error) {
			var ms float64
			err = row.Scan(&c.ID, &c.Kind, &c.UserID, &c.OfferID, &c.SessionID, &c.Token, &c.Platform, &c.ExpiresAt, &ms, &c.Attempt)
			c.Left = time.Duration(ms * float64(time.Millisecond))
			return c, err
		})
		return err
	})
	return claimed, err
}

// Dead tokens go with everything that waits for them. One statement is one transaction.
const settlePushesSQL = `
	with done as (delete from pushes where id = any($1)),
	later as (
		update pushes p set due_at = now() + l.after from unnest($2::bigint[], $3::interval[]) l (id, after) where p.id = l.id)
	delete from device_tokens where token = any($4)`

// Settle implements push.Queue.
func (p *Pushes) Settle(ctx context.Context, o push.Outcome) error {
	later, after := make([]int64, len(o.Later)), make([]time.Duration, len(o.Later))
	for i, l := range o.Later {
		later[i], after[i] = l.ID, l.After
	}
	return p.db.within(ctx, "settle pushes", func(ctx context.Context) error {
		_, err := p.db.pool.Exec(ctx, settlePushesSQL, o.Done, later, after, o.Dead)
		return err
	})
}
