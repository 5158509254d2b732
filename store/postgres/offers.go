package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
)

const openOffersSQL = `
	select o.id, o.session_id, o.mitra_id, s.duration_minutes, s.customer_id, c.display_name, s.note, o.expires_at
	from session_offers o join chat_sessions s on s.id = o.session_id join customers c on c.id = s.customer_id
	where o.mitra_id = any($1) and o.status in ('offered', 'delivered') and o.expires_at > now()
	order by o.created_at, o.id`

// Open implements pairing.Offers. Calls within a millisecond share a statement.
func (p *Pairing) Open(ctx context.Context, mitra core.MitraID) ([]pairing.Offer, error) {
	return p.db.opens.do(ctx, mitra)
}

func (db *DB) readOpen(ctx context.Context, mitras []core.MitraID) ([][]pairing.Offer, error) {
	ofMitra := make(map[core.MitraID][]pairing.Offer, len(mitras))
	err := db.within(ctx, "open offers", func(ctx context.Context) error {
		clear(ofMitra)
		shown := db.settings.Current().CustomerAnonymity
		rows, err := db.pool.Query(ctx, openOffersSQL, uuids(mitras))
		if err != nil {
			return err
		}
		var o pairing.Offer
		var customer core.CustomerID
		var realName string
		_, err = pgx.ForEachRow(rows, []any{&o.ID, &o.SessionID, &o.MitraID, &o.Minutes, &customer, &realName, &o.Note, &o.ExpiresAt}, func() error {
			o.CustomerName = chat.CustomerName(customer, realName, shown)
			ofMitra[o.MitraID] = append(ofMitra[o.MitraID], o)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	answers := make([][]pairing.Offer, len(mitras))
	for i, id := range mitras {
		answers[i] = ofMitra[id]
	}
	return answers, nil
}

// Received implements pairing.Offers. Calls within a few milliseconds share a statement: the mitras of a wave answer at
// once. Somebody else's offer is left alone without a word.
func (p *Pairing) Received(ctx context.Context, id core.OfferID, mitra core.MitraID) error {
	_, err := p.db.receipts.do(ctx, delivered{id, mitra})
	return err
}

// delivered is an offer that reached its mitra's app.
type delivered struct {
	offer core.OfferID
	mitra core.MitraID
}

// Only the offers' own locks are taken, in the order of their ids.
const receivedSQL = `
	with o as materialized (
		select o.id from session_offers o join unnest($1::uuid[], $2::uuid[]) r (id, mitra_id) on r.id = o.id and r.mitra_id = o.mitra_id
		where o.status = 'offered' order by o.id for no key update of o)
	update session_offers x set status = 'delivered', delivered_at = now(), push_due_at = null from o where x.id = o.id and x.status = 'offered'`

func (db *DB) noteReceipts(ctx context.Context, all []delivered) ([]struct{}, error) {
	offers, mitras := make([]core.OfferID, len(all)), make([]core.MitraID, len(all))
	for i, d := range all {
		offers[i], mitras[i] = d.offer, d.mitra
	}
	err := db.within(ctx, "offers received", func(ctx context.Context) error {
		_, err := db.pool.Exec(ctx, receivedSQL, offers, mitras)
		return err
	})
	return make([]struct{}, len(all)), err
}

// Decline implements pairing.Offers.
func (p *Pairing) Decline(ctx context.Context, id core.OfferID, mitra core.MitraID, reason string) error {
	return p.db.inTx(ctx, "decline offer", func(ctx context.Context, t *tx) error {
		session, open, err := t.lockOffered(ctx, id, mitra)
		if err != nil {
			return err
		}
		if !open {
			return t.owns(ctx, id, mitra)
		}
		done, err := t.Exec(ctx, `
			update session_offers set status = 'declined', decline_reason = $2, closed_at = now(), push_due_at = null
			where id = $1 and status in ('offered', 'delivered')`, id, reason)
		if err != nil || done.RowsAffected() == 0 {
			return err // closed already
		}
		if _, err := t.Exec(ctx, `update mitras set ignored_offers = 0 where id = $1 and ignored_offers > 0`, mitra); err != nil {
			return err
		}
		_, err = t.Exec(ctx, endEmptyWaveSQL, session)
		return err
	})
}

const endEmptyWaveSQL = `
	update chat_sessions s set wave_deadline_at = now()
	where s.id = $1 and s.status = 'searching' and not s.waiting and s.wave_deadline_at > now()
		and not exists (select from session_offers o where o.session_id = s.id and o.status in ('offered', 'delivered'))`

// lockOffered locks the session of a mitra's open offer. open is false when there is none: it is closed, or not the mitra's.
// While this waits for the lock, the offer may close all the same.
func (t *tx) lockOffered(ctx context.Context, id core.OfferID, mitra core.MitraID) (session core.SessionID, open bool, err error) {
	err = t.QueryRow(ctx, `
		select s.id from session_offers o join chat_sessions s on s.id = o.session_id
		where o.id = $1 and o.mitra_id = $2 and o.status in ('offered', 'delivered') for no key update of s`, id, mitra).Scan(&session)
	if missing(err) {
		return session, false, nil
	}
	return session, err == nil, err
}

// owns is NOT_FOUND unless the offer is the mitra's.
func (t *tx) owns(ctx context.Context, id core.OfferID, mitra core.MitraID) error {
	var is bool
	err := t.QueryRow(ctx, `select exists (select from session_offers where id = $1 and mitra_id = $2)`, id, mitra).Scan(&is)
	if err == nil && !is {
		err = core.Errorf(core.NotFound, "no such offer")
	}
	return err
}

const expireOffersSQL = `
	update session_offers set closed_at = now(), push_due_at = null,
		status = case status when 'delivered' then 'expired' else 'undelivered' end
	where id = any(array(
		select id from session_offers
		where status in ('offered', 'delivered') and expires_at <= now() and ($2::uuid is null or session_id = $2)
		order by expires_at limit $1 for no key update skip locked))
	returning id, session_id, mitra_id, status`

// ExpireOffers implements pairing.Offers.
func (p *Pairing) ExpireOffers(ctx context.Context, limit int) (int, error) {
	return p.expireOffers(ctx, limit, core.SessionID{})
}

// expireOffers closes what is past its time, of one session or of all.
func (p *Pairing) expireOffers(ctx context.Context, limit int, session core.SessionID) (n int, err error) {
	most := p.db.settings.Current().IgnoredOffersLimit
	var ignoring []core.MitraID
	err = p.db.inTx(ctx, "expire offers", func(ctx context.Context, t *tx) error {
		n, ignoring = 0, nil
		rows, err := t.Query(ctx, expireOffersSQL, limit, session)
		if err != nil {
			return err
		}
		var closed closedOffer
		var seen []core.MitraID
		_, err = pgx.ForEachRow(rows, []any{&closed.id, &closed.session, &closed.mitra, &closed.status}, func() error {
			n++
			if closed.status == pairing.Expired {
				seen = append(seen, closed.mitra)
			}
			return t.tellClosed(closed, pairing.ClosedExpired)
		})
		if err != nil || len(seen) == 0 {
			return err
		}
		ignoring, err = t.countIgnored(ctx, seen, most)
		return err
	})
	if err != nil || len(ignoring) == 0 {
		return n, err
	}
	// In a transaction of its own, because it locks further offers, and those come before mitras.
	presences := &Presence{p.db}
	_, err = presences.takeOffline(ctx, "ignored offers", presence.IgnoredOffers, ignoring, `mode <> 'offline' and ignored_offers >= $2`, most)
	return n, err
}

const countIgnoredSQL = `
	with ignored as (select id, count(*) as n from unnest($1::uuid[]) i (id) group by id),
	locked as materialized (select id from mitras where id = any($1) order by id for no key update)
	update mitras m set ignored_offers = m.ignored_offers + i.n from locked l join ignored i on i.id = l.id where m.id = l.id
	returning m.id, m.ignored_offers`

// countIgnored counts delivered offers that nobody answered and names the mitras for whom it was one too many.
func (t *tx) countIgnored(ctx context.Context, mitras []core.MitraID, most int) (tooMany []core.MitraID, err error) {
	rows, err := t.Query(ctx, countIgnoredSQL, mitras)
	if err != nil {
		return nil, err
	}
	var id core.MitraID
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		if most > 0 && n >= most {
			tooMany = append(tooMany, id)
		}
		return nil
	})
	return tooMany, err
}

// closedOffer is an offer that a statement closed.
type closedOffer struct {
	id      core.OfferID
	session core.SessionID
	mitra   core.MitraID
	wave    int
	status  pairing.OfferStatus
}

func (t *tx) tellClosed(o closedOffer, reason pairing.CloseReason) error {
	return t.emit(core.OfferClosed, core.UserID(o.mitra), pairing.Closed{OfferID: o.id, SessionID: o.session, Reason: reason})
}

const withdrawSQL = `
	with o as materialized (
		select id from session_offers where mitra_id = any($1) and status in ('offered', 'delivered') order by id for no key update)
	update session_offers x set status = 'withdrawn', closed_at = now(), push_due_at = null from o where x.id = o.id
	returning x.id, x.session_id, x.mitra_id, x.wave`

// withdraw closes all open offers of mitras who became unable to take them. Their sessions are not locked, so waves that
// lost their last offer end after the commit.
func (t *tx) withdraw(ctx context.Context, mitras ...core.MitraID) error {
	rows, err := t.Query(ctx, withdrawSQL, mitras)
	if err != nil {
		return err
	}
	var o closedOffer
	_, err = pgx.ForEachRow(rows, []any{&o.id, &o.session, &o.mitra, &o.wave}, func() error {
		t.starved = append(t.starved, starved{o.session, o.wave})
		return t.tellClosed(o, pairing.ClosedWithdrawn)
	})
	return err
}

const closeOffersSQL = `
	with o as materialized (
		select id from session_offers where session_id = $1 and status in ('offered', 'delivered') order by id for no key update)
	update session_offers x set closed_at = now(), push_due_at = null,
		status = case when $2 then 'withdrawn' when x.status = 'delivered' then 'expired' else 'undelivered' end
	from o where x.id = o.id
	returning x.id, x.session_id, x.mitra_id`

// closeOffers closes the open offers of a session, under lock, whose search is over without a match.
func (t *tx) closeOffers(ctx context.Context, session core.SessionID, reason chat.EndReason) error {
	givenUp, told := true, pairing.ClosedCancelled
	if reason == chat.ReasonNoMitra {
		givenUp, told = false, pairing.ClosedExpired
	}
	rows, err := t.Query(ctx, closeOffersSQL, session, givenUp)
	if err != nil {
		return err
	}
	var o closedOffer
	_, err = pgx.ForEachRow(rows, []any{&o.id, &o.session, &o.mitra}, func() error { return t.tellClosed(o, told) })
	return err
}
