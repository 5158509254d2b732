package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/presence"
)

const (
	heldSessionsSQL     = `select id from chat_sessions where mitra_id = $1 and status in ('pending_payment', 'active')`
	lockHeldSessionsSQL = heldSessionsSQL + ` order by id for no key update`

	deactivateSQL = `
		with changed as (
			update mitras set is_active = false, mode = 'offline', version = version + 1, updated_at = now() where id = $1)
		insert into mitra_status_logs (mitra_id, mode, is_active, reason) values ($1, 'offline', false, 'deactivated')`
	activateSQL = `
		with changed as (
			update mitras set is_active = true, version = version + 1, updated_at = now() where id = $1 returning id, mode)
		insert into mitra_status_logs (mitra_id, mode, is_active, reason) select id, mode, true, 'activated' from changed`
)

// Deactivate implements admin.Duty. Its sessions are locked before the mitra, as everywhere; one that an accept gave it in
// between begins the transaction anew.
func (a *Admin) Deactivate(ctx context.Context, by core.OperatorID, id core.MitraID) (d admin.Deactivation, err error) {
	err = a.db.inTx(ctx, "deactivate mitra", func(ctx context.Context, t *tx) error {
		d = admin.Deactivation{}
		locked, err := t.sessionIDs(ctx, lockHeldSessionsSQL, id)
		if err != nil {
			return err
		}
		found, err := t.lockLeaving(ctx, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return noMitra()
		}
		was := found[0]
		if !was.Active {
			d.Mitra, err = a.db.adminMitra(ctx, t, id)
			return err
		}
		if d.Ended, err = t.sessionIDs(ctx, heldSessionsSQL, id); err != nil {
			return err
		}
		if slices.ContainsFunc(d.Ended, func(s core.SessionID) bool { return !slices.Contains(locked, s) }) {
			return errAgain
		}
		if err := t.retire(ctx, by, id, d.Ended); err != nil {
			return err
		}
		if d.Mitra, err = a.db.adminMitra(ctx, t, id); err != nil {
			return err
		}
		change := presence.Change{Mode: presence.Offline, Reason: presence.Deactivated, Version: d.Mitra.Version}
		if err := t.QueryRow(ctx, `select now()`).Scan(&change.At); err != nil {
			return err
		}
		if err := t.emit(core.PresenceChanged, core.UserID(id), change); err != nil {
			return err
		}
		revoked, err := t.revokeAll(ctx, core.UserID(id), core.AuthSessionID{}, auth.Deactivated)
		if err != nil {
			return err
		}
		return t.audit(ctx, by, "mitra.deactivate", id, fields{"is_active": true, "mode": was.Mode},
			fields{"is_active": false, "mode": presence.Offline, "ended_sessions": d.Ended, "revoked_auth_sessions": len(revoked)})
	})
	return d, err
}

// retire takes a mitra, under lock with its sessions, out of everything: its open offers, then its sessions, whose ends are
// told before the deactivation closes its sockets.
func (t *tx) retire(ctx context.Context, by core.OperatorID, id core.MitraID, sessions []core.SessionID) error {
	if err := t.withdraw(ctx, id); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, deactivateSQL, id); err != nil {
		return err
	}
	t.changed(id)
	for _, session := range sessions {
		h, err := t.hold(ctx, session)
		if err != nil {
			return err
		}
		if _, err := t.finish(ctx, h, overFrom(h.status), actor{core.Operator, core.UserID(by)}, chat.ReasonDeactivated, ""); err != nil {
			return err
		}
	}
	return nil
}

// overFrom is what a live session becomes when neither of its sides ends it: what was paid for or free and has begun is ended,
// the rest cancelled.
func overFrom(status chat.Status) chat.Status {
	if status == chat.Active {
		return chat.Ended
	}
	return chat.Cancelled
}

func (t *tx) sessionIDs(ctx context.Context, sql string, mitra core.MitraID) ([]core.SessionID, error) {
	rows, err := t.Query(ctx, sql, mitra)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[core.SessionID])
}

// Activate implements admin.Duty.
func (a *Admin) Activate(ctx context.Context, by core.OperatorID, id core.MitraID) (m admin.Mitra, err error) {
	err = a.db.inTx(ctx, "activate mitra", func(ctx context.Context, t *tx) error {
		found, err := t.lockLeaving(ctx, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return noMitra()
		}
		if found[0].Active {
			m, err = a.db.adminMitra(ctx, t, id)
			return err
		}
		if _, err := t.Exec(ctx, activateSQL, id); err != nil {
			return err
		}
		t.changed(id)
		if m, err = a.db.adminMitra(ctx, t, id); err != nil {
			return err
		}
		return t.audit(ctx, by, "mitra.activate", id, fields{"is_active": false}, fields{"is_active": true})
	})
	return m, err
}

// TakeOffline implements admin.Duty.
func (a *Admin) TakeOffline(ctx context.Context, by core.OperatorID, id core.MitraID) (m admin.Mitra, err error) {
	err = a.db.inTx(ctx, "take a mitra offline", func(ctx context.Context, t *tx) error {
		found, err := t.lockLeaving(ctx, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return noMitra()
		}
		was := found[0].Mode
		if was != presence.Offline {
			if err := t.changeMode(ctx, presence.Offline, presence.ByOperator, id); err != nil {
				return err
			}
			if err := t.audit(ctx, by, "mitra.offline", id, fields{"mode": was}, fields{"mode": presence.Offline}); err != nil {
				return err
			}
		}
		m, err = a.db.adminMitra(ctx, t, id)
		return err
	})
	return m, err
}
