package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// querier is what the pool and a transaction have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// A chat.Session is read from a chat_sessions row s, whatever gave it (the table, or an UPDATE's RETURNING), with its names and the
// payment that it shows: the unpaid extension's, else its own.
const (
	sessionColumns = `
		s.id, s.version, s.status, s.customer_id, c.display_name, s.mitra_id, coalesce(m.display_name, ''), s.package_id,
		s.duration_minutes, s.price, s.note, s.created_at, s.started_at, s.ends_at,
		case s.status when 'searching' then s.search_deadline_at when 'pending_payment' then s.payment_deadline_at
			when 'active' then s.ends_at end,
		s.ending_soon, s.end_reason, p.id, p.status, p.checkout_url, p.expires_at`
	sessionJoins = `
		join customers c on c.id = s.customer_id
		left join mitras m on m.id = s.mitra_id
		left join lateral (
			select * from payments where session_id = s.id
			order by (extension_id is not null and status in ('opening', 'open')) desc, extension_id nulls first,
				(status in ('paid', 'refunded')) desc, created_at desc
			limit 1) p on true`
	readSessionSQL = `select` + sessionColumns + ` from chat_sessions s` + sessionJoins + ` where s.id = $1`
)

// scanSession reads sessionColumns; before are the destinations of columns that stand in front of them.
func scanSession(row pgx.Row, shown core.Anonymity, before ...any) (s chat.Session, err error) {
	var realName string
	var paymentID core.PaymentID
	var paymentStatus, checkoutURL zeronull.Text
	var paymentExpires zeronull.Timestamptz
	err = row.Scan(append(before,
		&s.ID, &s.Version, &s.Status, &s.CustomerID, &realName, &s.MitraID, &s.MitraName, &s.PackageID,
		&s.Minutes, &s.Price, &s.Note, &s.CreatedAt, (*zeronull.Timestamptz)(&s.StartedAt), (*zeronull.Timestamptz)(&s.EndsAt),
		(*zeronull.Timestamptz)(&s.DeadlineAt),
		&s.EndingSoon, (*zeronull.Text)(&s.EndReason), &paymentID, &paymentStatus, &checkoutURL, &paymentExpires)...)
	if err != nil {
		return chat.Session{}, err
	}
	s.CustomerName = chat.CustomerName(s.CustomerID, realName, shown)
	if !paymentID.IsZero() {
		s.Payment = &chat.Payment{ID: paymentID, Status: string(paymentStatus), CheckoutURL: string(checkoutURL), ExpiresAt: time.Time(paymentExpires)}
	}
	return s, nil
}

// session reads one as it is now.
func (db *DB) session(ctx context.Context, q querier, id core.SessionID) (chat.Session, error) {
	return scanSession(q.QueryRow(ctx, readSessionSQL, id), db.settings.Current().CustomerAnonymity)
}

// actor is who makes a transition.
type actor struct {
	kind core.UserType
	id   core.UserID
}

// system acts when deadlines do.
var system = actor{kind: "system"}

// held is a session under lock, with its mitra under lock too, if it has one.
type held struct {
	id        core.SessionID
	status    chat.Status
	customer  core.CustomerID
	mitra     core.MitraID
	endReason chat.EndReason
	due       bool // the deadline that ends its status has passed
	round     int
	money     sessionMoney
}

// sessionMoney is what a session costs and what was put into it.
type sessionMoney struct {
	price     int64
	funds     int64
	paid      int              // seconds of talk that are paid; 0: none yet
	left      int              // of those, whether the talk rests or runs
	extension core.ExtensionID // that waits for its payment
}

// unpaid tells whether there may be an open invoice for the session itself.
func (m sessionMoney) unpaid() bool { return m.price > 0 && m.paid == 0 }

// What is left of a talk that runs, in seconds begun; null of one that does not.
const leftRunning = `least(greatest(ceil(extract(epoch from s.ends_at - clock_timestamp()))::integer, 0), s.paid_seconds)`

const heldColumns = `s.id, s.status, s.customer_id, s.mitra_id, s.end_reason,
		coalesce(clock_timestamp() >= case s.status when 'searching' then s.search_deadline_at
			when 'pending_payment' then s.payment_deadline_at when 'active' then s.ends_at end, false),
		s.round, s.price, s.funds, s.paid_seconds, coalesce(s.seconds_left, ` + leftRunning + `, 0), s.extension_id`

func (h *held) columns() []any {
	return []any{
		&h.id, &h.status, &h.customer, &h.mitra, (*zeronull.Text)(&h.endReason), &h.due,
		&h.round, &h.money.price, &h.money.funds, &h.money.paid, &h.money.left, &h.money.extension,
	}
}

// The mitra is locked after its session because its condition needs it; due is judged when both locks are had.
const holdSQL = `
	with s as materialized (select * from chat_sessions where id = $1 for no key update),
	m as materialized (
		select id from mitras where id = (select mitra_id from s where status in ('pending_payment', 'active')) for no key update)
	select ` + heldColumns + `
	from s left join m on true`

// hold locks a session and the mitra that it takes up. NOT_FOUND.
func (t *tx) hold(ctx context.Context, id core.SessionID) (h held, err error) {
	err = t.QueryRow(ctx, holdSQL, id).Scan(h.columns()...)
	if missing(err) {
		return held{}, noSession()
	}
	return h, err
}

// A transition is one statement: the guarded UPDATE, its row in session_events, and the session as it is then. A use case
// puts what else it sets between moveHead and moveWhere, and what else it writes between that and moveTail; its own parameters
// begin at $8.
const (
	moveHead = `
		with s as (
			update chat_sessions set status = $2, version = version + 1, `
	moveWhere = `
			where id = $1 and status = $3 returning *),
		noted as (
			insert into session_events (session_id, from_status, to_status, actor_type, actor_id, reason, note)
			select id, $3, $2, $4, $5, $6, $7 from s)`
	moveTail = `
		select` + sessionColumns + ` from s` + sessionJoins
	overSQL = moveHead + `end_reason = $6, ended_at = statement_timestamp(), waiting = false, wave_deadline_at = null,
		seconds_left = null, extension_id = null` + moveWhere + moveTail
)

// move is one step along the table of transitions for a session under lock; WRONG_STATE with the session when the table
// does not have it.
func (t *tx) move(ctx context.Context, sql string, id core.SessionID, from, to chat.Status, by actor, reason, note string, args ...any) (chat.Session, error) {
	if !chat.May(from, to) {
		return chat.Session{}, t.wrongState(ctx, id)
	}
	args = append([]any{id, to, from, by.kind, by.id, reason, note}, args...)
	s, err := scanSession(t.QueryRow(ctx, sql, args...), t.db.settings.Current().CustomerAnonymity)
	if err == nil {
		t.pushMove(from, s)
	}
	return s, err
}

// finish ends a session under lock for good: its invoices, its open offers and its mitra go with it, what was put into talk that did
// not take place is credited, both sides are told.
func (t *tx) finish(ctx context.Context, h held, to chat.Status, by actor, reason chat.EndReason, note string) (chat.Session, error) {
	if !chat.May(h.status, to) {
		return chat.Session{}, t.wrongState(ctx, h.id)
	}
	if err := t.closeInvoices(ctx, h, reason); err != nil {
		return chat.Session{}, err
	}
	s, err := t.move(ctx, overSQL, h.id, h.status, to, by, string(reason), note)
	if err != nil {
		return chat.Session{}, err
	}
	if err := t.creditUnused(ctx, h, reason); err != nil {
		return chat.Session{}, err
	}
	if h.status == chat.Searching {
		err = t.closeOffers(ctx, h.id, reason)
	} else {
		err = t.release(ctx, h.mitra)
	}
	if err != nil {
		return chat.Session{}, err
	}
	return s, t.tell(s)
}

// tell sends the session as it is after a change to both of its sides.
func (t *tx) tell(s chat.Session) error {
	if err := t.emit(core.SessionUpdated, core.UserID(s.CustomerID), s); err != nil {
		return err
	}
	if s.MitraID.IsZero() {
		return nil
	}
	return t.emit(core.SessionUpdated, core.UserID(s.MitraID), s)
}

func noSession() error { return core.Errorf(core.NotFound, "no such session") }

// wrongState is WRONG_STATE with the session as it is.
func (t *tx) wrongState(ctx context.Context, id core.SessionID) error {
	s, err := t.db.session(ctx, t, id)
	if err != nil {
		return err
	}
	return &chat.StateError{Err: core.Errorf(core.WrongState, "the session is %s", s.Status), Session: s}
}
