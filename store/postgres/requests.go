package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
)

// Pairing implements pairing.Searches, pairing.Offers and pairing.Queue.
type Pairing struct{ db *DB }

var (
	_ pairing.Searches = (*Pairing)(nil)
	_ pairing.Offers   = (*Pairing)(nil)
	_ pairing.Queue    = (*Pairing)(nil)
)

// Pairing is the searches' and offers' part of the store.
func (db *DB) Pairing() *Pairing { return &Pairing{db} }

// keptRequest is the kind of the idempotency keys of pairing.request.
const keptRequest = "pairing.request"

// Request implements pairing.Searches.
func (p *Pairing) Request(ctx context.Context, r pairing.Request, candidates []core.MitraID) (s chat.Session, err error) {
	id := core.NewID[core.SessionID]()
	body := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", r.PackageID, r.Note))
	err = p.db.inTx(ctx, "request pairing", func(ctx context.Context, t *tx) error {
		known, err := t.keepKey(ctx, core.UserID(r.CustomerID), keptRequest, r.Key, body[:], id)
		if err != nil {
			return err
		}
		if known != id {
			s, err = p.db.session(ctx, t, known)
			return err
		}
		if s, err = t.begin(ctx, id, r); err != nil {
			return err
		}
		if err := t.tell(s); err != nil {
			return err
		}
		return t.runWave(ctx, s, 1, candidates)
	})
	return s, err
}

// A key is kept for a day; after that the same one begins anew.
const keepKeySQL = `
	insert into idempotency_keys as k (user_id, kind, key, body_hash, result_id) values ($1, $2, $3, $4, $5)
	on conflict (user_id, kind, key) do update
		set body_hash = excluded.body_hash, result_id = excluded.result_id, created_at = now()
		where k.created_at < now() - interval '24 hours'
	returning result_id`

// keepKey ties a client's key to the result that this transaction is about to make, or gives the result that it is tied to
// already. Equal keys in parallel wait for each other here. KEY_REUSED when the key came with another body.
func (t *tx) keepKey(ctx context.Context, user core.UserID, kind, key string, body []byte, result core.SessionID) (core.SessionID, error) {
	var known core.SessionID
	err := t.QueryRow(ctx, keepKeySQL, user, kind, key, body, result).Scan(&known)
	if !missing(err) {
		return known, err
	}
	var same bool
	err = t.QueryRow(ctx, `select result_id, body_hash = $4 from idempotency_keys where user_id = $1 and kind = $2 and key = $3`,
		user, kind, key, body).Scan(&known, &same)
	if missing(err) {
		return known, errAgain // it was swept in between
	}
	if err == nil && !same {
		err = core.Errorf(core.KeyReused, "the key was used for another request")
	}
	return known, err
}

// The session starts out waiting; its first wave, in the same transaction, changes that. The lock on its customer lets a deletion of the
// account see it, or it the deletion.
const beginSQL = `
	with k as (select id, duration_minutes, price from session_packages where id = $3 and is_active),
	c as (select id from customers where id = $2 and deleted_at is null for key share),
	s as (
		insert into chat_sessions (id, customer_id, package_id, status, duration_minutes, price, note, waiting, search_deadline_at)
		select $1, $2, k.id, 'searching', k.duration_minutes, k.price, $4, true, statement_timestamp() + $5::interval from k, c
		on conflict (customer_id) where status in ('searching', 'pending_payment', 'active') do nothing
		returning *),
	noted as (
		insert into session_events (session_id, to_status, actor_type, actor_id) select id, status, 'customer', customer_id from s)
	select` + sessionColumns + ` from s` + sessionJoins

// begin creates the searching session.
func (t *tx) begin(ctx context.Context, id core.SessionID, r pairing.Request) (chat.Session, error) {
	settings := t.db.settings.Current()
	s, err := scanSession(t.QueryRow(ctx, beginSQL, id, r.CustomerID, r.PackageID, r.Note, settings.SearchDuration), settings.CustomerAnonymity)
	if !missing(err) {
		return s, err
	}
	var live core.SessionID
	err = t.QueryRow(ctx, `select id from chat_sessions where customer_id = $1 and status in ('searching', 'pending_payment', 'active')`,
		r.CustomerID).Scan(&live)
	if err == nil {
		s, err = t.db.session(ctx, t, live)
		if err != nil {
			return s, err
		}
		return s, &chat.StateError{Err: core.Errorf(core.SessionLive, "a session is %s already", s.Status), Session: s}
	}
	if !missing(err) {
		return s, err
	}
	var onSale, there bool
	err = t.QueryRow(ctx, `select exists (select from session_packages where id = $1 and is_active),
		exists (select from customers where id = $2 and deleted_at is null)`, r.PackageID, r.CustomerID).Scan(&onSale, &there)
	switch {
	case err != nil:
		return s, err
	case !there:
		return s, core.Errorf(core.NotFound, "no such customer")
	case !onSale:
		return s, core.Errorf(core.PackageUnavailable, "no such package on sale")
	}
	return s, errAgain // what stood in the way has ended in between
}

// Cancel implements pairing.Searches.
func (p *Pairing) Cancel(ctx context.Context, id core.SessionID, by core.CustomerID) (s chat.Session, err error) {
	err = p.db.inTx(ctx, "cancel session", func(ctx context.Context, t *tx) error {
		h, err := t.hold(ctx, id)
		if err != nil {
			return err
		}
		if h.customer != by {
			return noSession()
		}
		if h.status == chat.Cancelled && h.endReason == chat.ReasonCustomer {
			s, err = p.db.session(ctx, t, id)
			return err
		}
		s, err = t.finish(ctx, h, chat.Cancelled, actor{core.Customer, core.UserID(by)}, chat.ReasonCustomer, "")
		return err
	})
	return s, err
}

// Unmatch implements pairing.Searches.
func (p *Pairing) Unmatch(ctx context.Context, id core.SessionID) error {
	// Offers whose time is up count as ignored; that is done first, where its locks are in order.
	if _, err := p.expireOffers(ctx, offersOfSession, id); err != nil {
		return err
	}
	chats := &Chat{p.db}
	return chats.over(ctx, "unmatch", id, chat.Searching, chat.Unmatched, chat.ReasonNoMitra)
}
