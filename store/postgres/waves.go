package postgres

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
)

const (
	offersOfSession = 1000            // more than a session ever has open
	pushAfter       = 2 * time.Second // an offer without a receipt by then gets a push
)

// Search implements pairing.Searches.
func (p *Pairing) Search(ctx context.Context, id core.SessionID) (s pairing.Search, err error) {
	err = p.db.within(ctx, "read search", func(ctx context.Context) error {
		err := p.db.pool.QueryRow(ctx, `
			select s.id, s.wave, s.waves_before, s.waiting, s.search_deadline_at <= now(),
				array(select o.mitra_id from session_offers o where o.session_id = s.id and `+askedAlready+`)
			from chat_sessions s where s.id = $1 and s.status = 'searching'`, id).
			Scan(&s.ID, &s.Wave, &s.Before, &s.Waiting, &s.Over, &s.Asked)
		if missing(err) {
			return core.Errorf(core.NotFound, "no such search")
		}
		return err
	})
	return s, err
}

// askedAlready tells of an offer o of session s whether its mitra may not be asked again. A reroute begins a new round, in
// which those may be who only lost the race, or were not there.
const askedAlready = `(o.round = s.round or o.status in ('accepted', 'declined'))`

const lockWaveSQL = `select s.waves_before,` + sessionColumns + ` from chat_sessions s` + sessionJoins + `
	where s.id = $1 and s.status = 'searching' and s.wave = $2 and not s.waiting for no key update of s`

// NextWave implements pairing.Searches.
func (p *Pairing) NextWave(ctx context.Context, id core.SessionID, after int, candidates []core.MitraID) error {
	// What is left of the wave before goes first, in a transaction of its own: it locks mitras, too.
	if _, err := p.expireOffers(ctx, offersOfSession, id); err != nil {
		return err
	}
	return p.db.inTx(ctx, "next wave", func(ctx context.Context, t *tx) error {
		var before int
		s, err := scanSession(t.QueryRow(ctx, lockWaveSQL, id, after), p.db.settings.Current().CustomerAnonymity, &before)
		if missing(err) {
			return nil // somebody else was here, or the search is over
		}
		if err != nil {
			return err
		}
		if after-before >= p.db.settings.Current().MaxWaves {
			_, err = t.Exec(ctx, `update chat_sessions set waiting = true, wave_deadline_at = null where id = $1`, id)
			return err
		}
		return t.runWave(ctx, s, after+1, candidates)
	})
}

// runWaveSQL writes a wave: on the session, which is under lock, for the record, and as offers to mitras, who are too. $1 the session,
// $2 its number, $3 how long, $4 considered, $5 the offers' ids, $6 their mitras, $7 when a push is due.
const runWaveSQL = `
	with s as (
		update chat_sessions set wave = $2, waiting = false,
			wave_deadline_at = least(statement_timestamp() + $3::interval, search_deadline_at)
		where id = $1 returning id, round, wave_deadline_at),
	noted as (insert into session_waves (session_id, number, offered, considered) values ($1, $2, cardinality($5::uuid[]), $4)),
	asked as (
		insert into session_offers (id, session_id, mitra_id, round, wave, expires_at, push_due_at)
		select o.id, s.id, o.mitra_id, s.round, $2, s.wave_deadline_at, statement_timestamp() + $7::interval
		from s, unnest($5::uuid[], $6::uuid[]) o (id, mitra_id)),
	moved as (
		update mitras set available_since = statement_timestamp(), version = version + 1, updated_at = now() where id = any($6))
	select wave_deadline_at from s`

const emptyWaveSQL = `
	with noted as (insert into session_waves (session_id, number, offered, considered) values ($1, $2, 0, $3))
	update chat_sessions set wave = $2, waiting = true, wave_deadline_at = null where id = $1`

// runWave offers a session, under lock, to those of the candidates who may be asked, and records for all of them why or why not. With
// nobody to ask it turns to waiting.
func (t *tx) runWave(ctx context.Context, s chat.Session, number int, candidates []core.MitraID) error {
	settings := t.db.settings.Current()
	chosen, considered, err := t.choose(ctx, s.ID, candidates, settings)
	if err != nil {
		return err
	}
	record, err := json.Marshal(considered)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		_, err = t.Exec(ctx, emptyWaveSQL, s.ID, number, record)
		return err
	}
	offers := make([]core.OfferID, len(chosen))
	for i := range offers {
		offers[i] = core.NewID[core.OfferID]()
	}
	var expires time.Time
	err = t.QueryRow(ctx, runWaveSQL, s.ID, number, settings.WaveDuration, record, offers, chosen, pushAfter).Scan(&expires)
	if err != nil {
		return err
	}
	t.changed(chosen...)
	for i, mitra := range chosen {
		if err := t.tellOffer(s, offers[i], mitra, expires); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) tellOffer(s chat.Session, id core.OfferID, mitra core.MitraID, expires time.Time) error {
	return t.emit(core.OfferMade, core.UserID(mitra), pairing.Offer{
		ID: id, SessionID: s.ID, MitraID: mitra, Minutes: s.Minutes, CustomerName: s.CustomerName, Note: s.Note, ExpiresAt: expires,
	})
}

// Only waves that are still the ones that lost their offers: while this waited for a session's lock, the next one may have
// begun.
const endStarvedSQL = `
	with lost as (select distinct id, wave from unnest($1::uuid[], $2::int[]) l (id, wave)),
	locked as materialized (
		select s.id, s.wave from chat_sessions s where s.id in (select id from lost) and s.status = 'searching' order by s.id for no key update)
	update chat_sessions s set wave_deadline_at = now() from locked, lost
	where s.id = locked.id and lost.id = s.id and lost.wave = locked.wave and s.status = 'searching' and not s.waiting
		and s.wave_deadline_at > now()
		and not exists (select from session_offers o where o.session_id = s.id and o.status in ('offered', 'delivered'))`

// endStarvedWaves ends waves at once whose last open offer a committed transaction withdrew. When it fails, those waves
// just run to their end.
func (db *DB) endStarvedWaves(ctx context.Context, waves []starved) {
	waves = slices.DeleteFunc(waves, func(w starved) bool { return w.wave == 0 })
	if len(waves) == 0 {
		return
	}
	sessions, numbers := make([]core.SessionID, len(waves)), make([]int, len(waves))
	for i, w := range waves {
		sessions[i], numbers[i] = w.session, w.wave
	}
	err := db.inTx(context.WithoutCancel(ctx), "end starved waves", func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, endStarvedSQL, sessions, numbers)
		return err
	})
	if err != nil {
		db.log.Warn("waves without offers run on to their deadline", slog.Int("waves", len(waves)), slog.Any("error", err))
	}
}
