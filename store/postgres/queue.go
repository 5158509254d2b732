package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
)

// The oldest search that waits, was not offered to the mitra before, and has room for one more open offer. Nothing is
// locked yet.
const oldestWaitingSQL = `
	select s.id from chat_sessions s
	where s.status = 'searching' and s.waiting and s.search_deadline_at > now()
		and not exists (select from session_offers o where o.session_id = s.id and o.mitra_id = $1 and ` + askedAlready + `)
		and (select count(*) from session_offers o where o.session_id = s.id and o.status in ('offered', 'delivered')) < $2
	order by s.created_at, s.id limit 1`

// OfferOldest implements pairing.Queue. When others are faster at the same search, it looks for the next one.
func (p *Pairing) OfferOldest(ctx context.Context, mitra core.MitraID) (made bool, err error) {
	settings := p.db.settings.Current()
	for range retries + 1 {
		var session core.SessionID
		err = p.db.within(ctx, "oldest waiting search", func(ctx context.Context) error {
			err := p.db.pool.QueryRow(ctx, oldestWaitingSQL, mitra, settings.WaveSize).Scan(&session)
			if missing(err) {
				return nil
			}
			return err
		})
		if err != nil || session.IsZero() {
			return false, err
		}
		var lost bool
		err = p.db.inTx(ctx, "offer waiting search", func(ctx context.Context, t *tx) error {
			made, lost, err = t.offerWaiting(ctx, session, mitra, settings)
			return err
		})
		if err != nil || !lost {
			return made, err
		}
	}
	return false, nil
}

const lockWaitingSQL = `select` + sessionColumns + ` from chat_sessions s` + sessionJoins + `
	where s.id = $1 and s.status = 'searching' and s.waiting and s.search_deadline_at > now() for no key update of s`

const offerWaitingSQL = `
	with asked as (
		insert into session_offers (id, session_id, mitra_id, round, wave, expires_at, push_due_at)
		select $2, s.id, $3, s.round, 0, least(statement_timestamp() + $4::interval, s.search_deadline_at), statement_timestamp() + $5::interval
		from chat_sessions s where s.id = $1
		returning expires_at),
	moved as (
		update mitras set available_since = statement_timestamp(), version = version + 1, updated_at = now() where id = $3)
	select expires_at from asked`

// offerWaiting offers one search to one mitra; lost when the search has no room any more.
func (t *tx) offerWaiting(ctx context.Context, session core.SessionID, mitra core.MitraID, settings core.Settings) (made, lost bool, err error) {
	s, err := scanSession(t.QueryRow(ctx, lockWaitingSQL, session), settings.CustomerAnonymity)
	if missing(err) {
		return false, true, nil
	}
	if err != nil {
		return false, false, err
	}
	if _, err := t.Exec(ctx, lockMitrasSQL, []core.MitraID{mitra}); err != nil {
		return false, false, err
	}
	var open int
	err = t.QueryRow(ctx, `select count(*) from session_offers where session_id = $1 and status in ('offered', 'delivered')`, session).Scan(&open)
	if err != nil || open >= settings.WaveSize {
		return false, true, err
	}
	judged, err := t.candidates(ctx, session, []core.MitraID{mitra}, settings)
	if err != nil || len(judged) == 0 {
		return false, false, err
	}
	switch judged[0].Judge(settings.MaxOpenOffers) {
	case pairing.Chosen:
	case pairing.AlreadyAsked:
		return false, true, nil
	default:
		return false, false, nil
	}
	id := core.NewID[core.OfferID]()
	var expires time.Time
	err = t.QueryRow(ctx, offerWaitingSQL, session, id, mitra, settings.WaveDuration, pushAfter).Scan(&expires)
	if err != nil {
		return false, false, err
	}
	t.changed(mitra)
	return true, false, t.tellOffer(s, id, mitra, expires)
}

const waitingSQL = `
	select id, customer_id, created_at from chat_sessions
	where status = 'searching' and waiting and search_deadline_at > now() order by created_at, id`

// Waiting implements pairing.Queue.
func (p *Pairing) Waiting(ctx context.Context) (waiting []pairing.Waiting, err error) {
	err = p.db.within(ctx, "waiting searches", func(ctx context.Context) error {
		rows, err := p.db.pool.Query(ctx, waitingSQL)
		if err != nil {
			return err
		}
		waiting, err = pgx.CollectRows(rows, pgx.RowToStructByPos[pairing.Waiting])
		return err
	})
	return waiting, err
}
