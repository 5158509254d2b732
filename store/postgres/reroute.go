package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

var _ chat.Absences = (*Chat)(nil)

// Back to searching: a new round with a wave that is due at once. The talk that is left waits, an open invoice stays as long as the
// search may take. $8 how long that is.
const rerouteSQL = moveHead + `mitra_id = null, round = round + 1, waves_before = wave,
		waiting = false, wave_deadline_at = statement_timestamp(), search_deadline_at = statement_timestamp() + $8::interval,
		paid_seconds = case status when 'active' then greatest(paid_seconds, duration_minutes * 60) else paid_seconds end,
		seconds_left = case status when 'active' then
			least(greatest(ceil(extract(epoch from ends_at - statement_timestamp()))::integer, 1), greatest(paid_seconds, duration_minutes * 60)) end,
		started_at = null, ends_at = null, warn_at = null, ending_soon = false, payment_deadline_at = null` + moveWhere + `,
	lost as (update session_offers set rerouted_at = now() where session_id = $1 and status = 'accepted' and rerouted_at is null),
	bills as (
		update payments p set expires_at = greatest(p.expires_at, s.search_deadline_at), updated_at = now()
		from s where p.session_id = s.id and p.extension_id is null and p.status in ('opening', 'open'))` + moveTail

// reroute takes a session under lock from its mitra, who is told too. WRONG_STATE when its time is over.
func (t *tx) reroute(ctx context.Context, h held, by actor, reason, note string) (chat.Session, error) {
	if h.due {
		return chat.Session{}, t.wrongState(ctx, h.id)
	}
	s, err := t.move(ctx, rerouteSQL, h.id, h.status, chat.Searching, by, reason, note, t.db.settings.Current().SearchDuration)
	if err != nil {
		return s, err
	}
	if err := t.release(ctx, h.mitra); err != nil {
		return s, err
	}
	if err := t.emit(core.SessionUpdated, core.UserID(h.mitra), s); err != nil {
		return s, err
	}
	t.pushLost(h.mitra, s)
	return s, t.tell(s)
}

// Reroute implements chat.Store.
func (c *Chat) Reroute(ctx context.Context, id core.SessionID, by core.Principal, note string) (s chat.Session, err error) {
	err = c.db.inTx(ctx, "reroute session", func(ctx context.Context, t *tx) error {
		h, err := t.hold(ctx, id)
		if err != nil {
			return err
		}
		ofCustomer, ofMitra := core.UserID(h.customer) == by.ID, core.UserID(h.mitra) == by.ID && !h.mitra.IsZero()
		switch {
		case !ofCustomer && !ofMitra && by.Type != core.Operator:
			return noSession()
		case h.status == chat.Searching && h.round > 0:
			s, err = c.db.session(ctx, t, id) // rerouted already
			return err
		}
		s, err = t.reroute(ctx, h, actor{by.Type, by.ID}, "reroute", note)
		return err
	})
	return s, err
}

const absentSQL = `
	select s.id, s.mitra_id from chat_sessions s join mitras m on m.id = s.mitra_id
	where s.status in ('pending_payment', 'active') and coalesce(m.last_heartbeat_at, '-infinity') < now() - $1::interval`

// Absent implements chat.Absences.
func (c *Chat) Absent(ctx context.Context, after time.Duration) (absent []chat.Absence, err error) {
	err = c.db.within(ctx, "absent mitras", func(ctx context.Context) error {
		rows, err := c.db.pool.Query(ctx, absentSQL, after)
		if err != nil {
			return err
		}
		absent, err = pgx.CollectRows(rows, pgx.RowToStructByPos[chat.Absence])
		return err
	})
	return absent, err
}

// RerouteAbsent implements chat.Absences.
func (c *Chat) RerouteAbsent(ctx context.Context, a chat.Absence, after time.Duration) (done bool, err error) {
	err = c.db.inTx(ctx, "reroute from absent mitra", func(ctx context.Context, t *tx) error {
		done = false
		h, err := t.hold(ctx, a.Session)
		if err != nil || h.mitra != a.Mitra || !h.status.Holds() || h.due {
			return err
		}
		var still bool
		err = t.QueryRow(ctx, `select coalesce(last_heartbeat_at, '-infinity') < now() - $2::interval from mitras where id = $1`,
			h.mitra, after).Scan(&still)
		if err != nil || !still {
			return err
		}
		_, err = t.reroute(ctx, h, system, "mitra_gone", "")
		done = err == nil
		return err
	})
	return done, err
}
