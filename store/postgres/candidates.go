package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
)

// candidatesSQL reads what pairing.Candidate.Judge needs, in the order of the ids.
const candidatesSQL = `
	select m.id, m.mode = 'online', m.is_active,
		(select count(*) from chat_sessions h where h.mitra_id = m.id and h.status in ('pending_payment', 'active')),
		coalesce(m.max_capacity, $3),
		(select count(*) from session_offers o where o.mitra_id = m.id and o.status in ('offered', 'delivered')),
		exists (
			select from session_offers o join chat_sessions s on s.id = o.session_id
			where o.session_id = $2 and o.mitra_id = m.id and ` + askedAlready + `)
	from unnest($1::uuid[]) with ordinality c (id, n) join mitras m on m.id = c.id order by c.n`

func (t *tx) candidates(ctx context.Context, session core.SessionID, ids []core.MitraID, settings core.Settings) ([]pairing.Candidate, error) {
	rows, err := t.Query(ctx, candidatesSQL, ids, session, settings.MitraMaxCapacity)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[pairing.Candidate])
}

// choosing is the state of one choice among candidates.
type choosing struct {
	order []core.MitraID
	why   map[core.MitraID]pairing.Why
}

// next lists up to n of those that are eligible so far and were not needed yet.
func (c *choosing) next(n int) (ids []core.MitraID) {
	for _, id := range c.order {
		if c.why[id] == pairing.Surplus && len(ids) < n {
			ids = append(ids, id)
		}
	}
	return ids
}

// choose picks up to a wave's size of candidates, in their order, locks them and tells why each one of all was taken or
// left. All are read without locks first; only the picked ones are locked, in order of id, and judged again by a fresh
// statement, so the cap on open offers holds however many searches choose at once. When that leaves room, others are tried, but only those
// that nobody else has locked: waiting for them would break the order.
func (t *tx) choose(ctx context.Context, session core.SessionID, ids []core.MitraID, settings core.Settings) (chosen []core.MitraID, considered []pairing.Considered, err error) {
	if len(ids) == 0 {
		return nil, []pairing.Considered{}, nil
	}
	all, err := t.candidates(ctx, session, ids[:min(len(ids), pairing.MaxConsidered)], settings)
	if err != nil {
		return nil, nil, err
	}
	c := choosing{why: make(map[core.MitraID]pairing.Why, len(all))}
	for _, candidate := range all {
		why := candidate.Judge(settings.MaxOpenOffers)
		if why == pairing.Chosen {
			why = pairing.Surplus
		}
		c.why[candidate.MitraID] = why
		c.order = append(c.order, candidate.MitraID)
	}
	lock := lockMitrasSQL
	for picked := c.next(settings.WaveSize); len(picked) > 0; picked = c.next(settings.WaveSize - len(chosen)) {
		won, err := t.pick(ctx, lock, session, picked, settings, c.why)
		if err != nil {
			return nil, nil, err
		}
		chosen = append(chosen, won...)
		lock = tryLockMitrasSQL
	}
	considered = make([]pairing.Considered, len(c.order))
	for i, id := range c.order {
		considered[i] = pairing.Considered{MitraID: id, Why: c.why[id]}
	}
	return chosen, considered, nil
}

const (
	lockMitrasSQL    = `select id from mitras where id = any($1) order by id for no key update`
	tryLockMitrasSQL = lockMitrasSQL + ` skip locked`
)

// pick locks some candidates and judges them for good.
func (t *tx) pick(ctx context.Context, lock string, session core.SessionID, picked []core.MitraID, settings core.Settings, why map[core.MitraID]pairing.Why) (won []core.MitraID, err error) {
	for _, id := range picked {
		why[id] = pairing.Contended // unless the lock is had
	}
	rows, err := t.Query(ctx, lock, picked)
	if err != nil {
		return nil, err
	}
	locked, err := pgx.CollectRows(rows, pgx.RowTo[core.MitraID])
	if err != nil || len(locked) == 0 {
		return nil, err
	}
	fresh, err := t.candidates(ctx, session, inOrder(picked, locked), settings)
	if err != nil {
		return nil, err
	}
	for _, candidate := range fresh {
		why[candidate.MitraID] = candidate.Judge(settings.MaxOpenOffers)
		if why[candidate.MitraID] == pairing.Chosen {
			won = append(won, candidate.MitraID)
		}
	}
	return won, nil
}

// inOrder lists those of ids that are among some.
func inOrder(ids, some []core.MitraID) []core.MitraID {
	among := make(map[core.MitraID]bool, len(some))
	for _, id := range some {
		among[id] = true
	}
	kept := make([]core.MitraID, 0, len(some))
	for _, id := range ids {
		if among[id] {
			kept = append(kept, id)
		}
	}
	return kept
}
