package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// acceptance is one accept: its session, offers and mitra under lock, in this order.
type acceptance struct {
	offer   core.OfferID
	session matchable
	mitra   lockedMitra
	max     int
	open    bool // the offer is
	late    bool // it is past its time
	held    int  // sessions that the mitra holds already
}

// matchable is the session of an open offer.
type matchable struct {
	id       core.SessionID
	status   chat.Status
	customer core.CustomerID
	round    int
	price    int64
	funds    int64 // of the price
	paid     int   // seconds
	credit   int64 // of the customer, as it was before the locks
}

// Accept implements pairing.Offers. NOT_ONLINE also when a newer socket of the mitra is up.
func (p *Pairing) Accept(ctx context.Context, id core.OfferID, mitra core.MitraID, epoch int64) (s chat.Session, err error) {
	err = p.db.inTx(ctx, "accept offer", func(ctx context.Context, t *tx) error {
		a := acceptance{offer: id}
		if err := t.lockAcceptance(ctx, &a, mitra); err != nil {
			return err
		}
		if !a.open {
			s, err = t.tooLate(ctx, id, mitra)
			return err
		}
		if err := a.refusal(epoch); err != nil {
			return err
		}
		s, err = t.match(ctx, &a)
		return err
	})
	return s, err
}

// The session of an open offer, the open offers of the session and of the mitra (they may be withdrawn), then the mitra. The counts make
// each part wait for the one before. Nothing is locked, and no row comes, when the offer is not open or not the mitra's.
const lockAcceptanceSQL = `
	with s as materialized (
		select s.id, s.status, s.customer_id, s.round, s.price, s.funds, s.paid_seconds, c.credit
		from session_offers o join chat_sessions s on s.id = o.session_id join customers c on c.id = s.customer_id
		where o.id = $1 and o.mitra_id = $2 and o.status in ('offered', 'delivered') for no key update of s),
	o as materialized (
		select id, expires_at from session_offers
		where (session_id = (select id from s) or mitra_id = $2) and status in ('offered', 'delivered') and (select count(*) from s) > 0
		order by id for no key update),
	m as materialized (
		select id, mode, is_active, connection_epoch, coalesce(max_capacity, $3) as max from mitras
		where id = $2 and (select count(*) from s) > 0 and (select count(*) from o) >= 0 for no key update)
	select s.id, s.status, s.customer_id, s.round, s.price, s.funds, s.paid_seconds, s.credit,
		m.id, m.mode, m.is_active, m.connection_epoch, m.max, o.id is not null, coalesce(o.expires_at <= clock_timestamp(), false)
	from s cross join m left join o on o.id = $1`

func (t *tx) lockAcceptance(ctx context.Context, a *acceptance, mitra core.MitraID) error {
	m, s := &a.mitra, &a.session
	err := t.QueryRow(ctx, lockAcceptanceSQL, a.offer, mitra, t.db.settings.Current().MitraMaxCapacity).Scan(
		&s.id, &s.status, &s.customer, &s.round, &s.price, &s.funds, &s.paid, &s.credit,
		&m.ID, &m.Mode, &m.Active, &m.Epoch, &a.max, &a.open, &a.late)
	if missing(err) {
		return nil // not open
	}
	if err != nil {
		return err
	}
	// A statement of its own: only now is it certain that no other accept of this mitra is under way.
	return t.QueryRow(ctx, heldSQL, mitra).Scan(&a.held)
}

const heldSQL = `select count(*) from chat_sessions where mitra_id = $1 and status in ('pending_payment', 'active')`

// refusal says why an open offer cannot be accepted, if so.
func (a *acceptance) refusal(epoch int64) error {
	switch {
	case a.session.status != chat.Searching:
		return core.Errorf(core.OfferTaken, "another mitra was first")
	case a.late:
		return core.Errorf(core.OfferExpired, "the offer is past its time")
	default:
		return a.unable(epoch)
	}
}

// unable says why the mitra cannot take any session now, if so.
func (a *acceptance) unable(epoch int64) error {
	switch {
	case !a.mitra.Active:
		return core.Errorf(core.AccountInactive, "the account is not active")
	case a.mitra.Mode != presence.Online:
		return core.Errorf(core.NotOnline, "the mode is %s", a.mitra.Mode)
	case a.mitra.Epoch != epoch:
		return core.Errorf(core.NotOnline, "a newer socket of this mitra is up")
	case a.held >= a.max:
		return core.Errorf(core.AtCapacity, "all sessions that may be held are")
	}
	return nil
}

const tooLateSQL = `
	select o.status, o.rerouted_at is not null, s.id, s.status, m.mode, m.is_active, m.connection_epoch, coalesce(m.max_capacity, $3),
		(` + heldSQL + `)
	from session_offers o join chat_sessions s on s.id = o.session_id join mitras m on m.id = o.mitra_id
	where o.id = $2 and o.mitra_id = $1`

// tooLate answers for an offer that is closed: the winner gets its session again, others the reason. Nothing needs a lock
// for that, so the many who lose a race do not queue behind each other. NOT_FOUND when the offer is not the mitra's.
func (t *tx) tooLate(ctx context.Context, id core.OfferID, mitra core.MitraID) (chat.Session, error) {
	var a acceptance
	var status pairing.OfferStatus
	var rerouted bool
	err := t.QueryRow(ctx, tooLateSQL, mitra, id, t.db.settings.Current().MitraMaxCapacity).Scan(&status, &rerouted,
		&a.session.id, &a.session.status, &a.mitra.Mode, &a.mitra.Active, &a.mitra.Epoch, &a.max, &a.held)
	if missing(err) {
		err = core.Errorf(core.NotFound, "no such offer")
	}
	if err != nil {
		return chat.Session{}, err
	}
	switch {
	case status == pairing.Accepted && !rerouted:
		return t.db.session(ctx, t, a.session.id)
	case status == pairing.Lost:
		err = core.Errorf(core.OfferTaken, "another mitra was first")
	case status == pairing.Withdrawn && a.session.status == chat.Cancelled:
		err = core.Errorf(core.OfferCancelled, "the customer gave up")
	case status == pairing.Withdrawn && a.unable(a.mitra.Epoch) != nil:
		err = a.unable(a.mitra.Epoch)
	default:
		err = core.Errorf(core.OfferExpired, "the offer is %s", status)
	}
	return chat.Session{}, err
}

// $4: the mitra is at its capacity now, so that its offers of other sessions go too. An accept ends a row of ignored offers.
const settleOffersSQL = `
	with taken as (update mitras set version = version + 1, ignored_offers = 0, updated_at = now() where id = $3)
	update session_offers set closed_at = now(), push_due_at = null,
		status = case when id = $1 then 'accepted' when session_id = $2 then 'lost' else 'withdrawn' end
	where status in ('offered', 'delivered') and (session_id = $2 or ($4 and mitra_id = $3))
	returning id, session_id, mitra_id, wave, status`

// settleOffers closes what the accept decided, and tells those who lost by it.
func (t *tx) settleOffers(ctx context.Context, a *acceptance) error {
	rows, err := t.Query(ctx, settleOffersSQL, a.offer, a.session.id, a.mitra.ID, a.held+1 >= a.max)
	if err != nil {
		return err
	}
	t.changed(a.mitra.ID)
	var o closedOffer
	_, err = pgx.ForEachRow(rows, []any{&o.id, &o.session, &o.mitra, &o.wave, &o.status}, func() error {
		switch o.status {
		case pairing.Lost:
			return t.tellClosed(o, pairing.ClosedTaken)
		case pairing.Withdrawn:
			t.starved = append(t.starved, starved{o.session, o.wave})
			return t.tellClosed(o, pairing.ClosedWithdrawn)
		}
		return nil
	})
	return err
}
