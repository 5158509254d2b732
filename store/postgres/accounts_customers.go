package postgres

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// Rename implements auth.Customers.
func (a *Accounts) Rename(ctx context.Context, customer core.CustomerID, name string) (account auth.Account, err error) {
	err = a.db.inTx(ctx, "rename customer", func(ctx context.Context, tx *tx) error {
		done, err := tx.Exec(ctx, `update customers set display_name = $2, updated_at = now() where id = $1 and deleted_at is null`, customer, name)
		if err == nil && done.RowsAffected() == 0 {
			err = core.Errorf(core.NotFound, "no such account")
		}
		if err != nil {
			return err
		}
		account, err = scanAccount(tx.QueryRow(ctx, accountSQL, core.Customer, customer))
		return err
	})
	return account, err
}

// Delete implements auth.Customers. The session is locked before its customer, as by those who write payments; requests for a new
// one hold the customer's row, so that one which slips in between is seen by the second look, and later ones see the deletion.
func (a *Accounts) Delete(ctx context.Context, customer core.CustomerID) (revoked []core.AuthSessionID, err error) {
	err = a.db.inTx(ctx, "delete customer", func(ctx context.Context, tx *tx) error {
		if err := tx.endLive(ctx, customer); err != nil {
			return err
		}
		var deletedAt *time.Time
		var phone string
		err := tx.QueryRow(ctx, `select deleted_at, coalesce(phone, '') from customers where id = $1 for update`, customer).Scan(&deletedAt, &phone)
		if missing(err) {
			return core.Errorf(core.NotFound, "no such account")
		}
		if err != nil || deletedAt != nil {
			return err
		}
		var slipped bool
		err = tx.QueryRow(ctx, `select exists (select from chat_sessions where customer_id = $1 and status in ('searching', 'pending_payment', 'active'))`,
			customer).Scan(&slipped)
		if err != nil {
			return err
		}
		if slipped {
			return errAgain
		}
		if revoked, err = tx.revokeAll(ctx, core.UserID(customer), core.AuthSessionID{}, auth.Deleted); err != nil {
			return err
		}
		return tx.forget(ctx, customer, phone)
	})
	return revoked, err
}

// endLive ends the customer's live session, if there is one.
func (t *tx) endLive(ctx context.Context, customer core.CustomerID) error {
	var live core.SessionID
	err := t.QueryRow(ctx, `select id from chat_sessions where customer_id = $1 and status in ('searching', 'pending_payment', 'active')`, customer).Scan(&live)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := t.hold(ctx, live)
	if err != nil || !h.status.Live() {
		return err
	}
	to := chat.Cancelled
	if h.status == chat.Active {
		to = chat.Ended
	}
	_, err = t.finish(ctx, h, to, actor{core.Customer, core.UserID(customer)}, chat.ReasonAccountDeleted, "")
	return err
}

// Each of these takes away one kind of what identifies a customer ($1). Codes of the last hour stay as long, since they are what keeps
// anybody from having codes sent without end; they are superseded and swept then. Payments and sessions stay, under an id that is nobody's.
var forgetSQL = []string{
	`update auth_sessions set user_agent = '', ip = null where user_id = $1`,
	`delete from device_tokens where user_id = $1`,
	`delete from pushes where user_id = $1`,
	`delete from idempotency_keys where user_id = $1`,
	`update chat_sessions set note = '' where customer_id = $1 and note <> ''`,
	`update session_events set note = '' where actor_type = 'customer' and actor_id = $1 and note <> ''
		and session_id in (select id from chat_sessions where customer_id = $1)`,
	`update apple_tokens set due_at = now() where customer_id = $1`,
	`update customers set display_name = '', phone = null, email = null, google_sub = null, apple_sub = null, deleted_at = now(), updated_at = now() where id = $1`,
}

func (t *tx) forget(ctx context.Context, customer core.CustomerID, phone string) error {
	for _, sql := range forgetSQL {
		if _, err := t.Exec(ctx, sql, customer); err != nil {
			return err
		}
	}
	if phone == "" {
		return nil
	}
	_, err := t.Exec(ctx, `delete from otp_requests where phone = $1 and user_type = 'customer' and created_at < now() - interval '1 hour'`, phone)
	if err == nil {
		_, err = t.Exec(ctx, supersedeSQL, phone, core.Customer)
	}
	return err
}
