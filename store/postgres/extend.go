package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// keptExtension is the kind of the idempotency keys of session.extend.
const keptExtension = "session.extend"

// Extend implements chat.Store. The key is tied to the session: its current state is what a replay gives.
func (c *Chat) Extend(ctx context.Context, e chat.Extension) (s chat.Session, err error) {
	body := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", e.SessionID, e.PackageID))
	err = c.db.inTx(ctx, "extend session", func(ctx context.Context, t *tx) error {
		h, err := t.hold(ctx, e.SessionID)
		if err == nil && h.customer != e.CustomerID {
			err = noSession()
		}
		if err != nil {
			return err
		}
		attempt := core.NewID[core.SessionID]() // only to tell the first use of a key from a replay
		known, err := t.keepKey(ctx, core.UserID(e.CustomerID), keptExtension, e.Key, body[:], attempt)
		if err != nil {
			return err
		}
		if known != attempt {
			s, err = c.db.session(ctx, t, e.SessionID)
			return err
		}
		s, err = t.extend(ctx, h, e)
		return err
	})
	return s, err
}

const (
	addExtensionSQL = `
		insert into session_extensions (id, session_id, package_id, duration_minutes, price, status, closed_at)
		select $1, $2, id, duration_minutes, price, case price when 0 then 'paid' else 'pending' end, case price when 0 then now() end
		from session_packages where id = $3 and is_active
		returning duration_minutes, price`
	// A session that goes on: the same status, noted like a transition.
	addTime = `ends_at = ends_at + make_interval(secs => $8::integer), ending_soon = false,
		warn_at = ends_at + make_interval(secs => $8::integer - 60), paid_seconds = greatest(paid_seconds, duration_minutes * 60) + $8::integer`
	extendFreeSQL = moveHead + addTime + moveWhere + moveTail
	askPaymentSQL = moveHead + `extension_id = $8` + moveWhere + `,
		bill as (
			insert into payments (id, session_id, extension_id, customer_id, amount, expires_at)
			select $9, id, $8, customer_id, $10, statement_timestamp() + $11::interval from s returning expires_at)
		select (select expires_at from bill),` + sessionColumns + ` from s` + sessionJoins
)

// extend adds the minutes of a package to an active session under lock, or asks for their payment.
func (t *tx) extend(ctx context.Context, h held, e chat.Extension) (s chat.Session, err error) {
	switch {
	case h.status != chat.Active || h.due:
		return s, t.wrongState(ctx, h.id)
	case !h.money.extension.IsZero():
		return s, core.Errorf(core.ExtensionPending, "an extension waits for its payment")
	}
	id := core.NewID[core.ExtensionID]()
	var minutes int
	var price int64
	err = t.QueryRow(ctx, addExtensionSQL, id, h.id, e.PackageID).Scan(&minutes, &price)
	if missing(err) {
		err = core.Errorf(core.PackageUnavailable, "no such package on sale")
	}
	if err != nil {
		return s, err
	}
	by := actor{core.Customer, core.UserID(h.customer)}
	if price == 0 {
		s, err = t.stay(ctx, extendFreeSQL, h, by, "extended", nil, minutes*60)
	} else {
		invoice := chat.Payment{ID: core.NewID[core.PaymentID](), Status: string(payment.Opening)}
		timeout := t.db.settings.Current().PaymentTimeout
		s, err = t.stay(ctx, askPaymentSQL, h, by, "extension_asked", []any{&invoice.ExpiresAt}, id, invoice.ID, price, timeout)
		s.Payment = &invoice
	}
	if err != nil {
		return s, err
	}
	return s, t.tell(s)
}

// stay changes a session under lock without leaving its status, and notes it. before are the destinations of columns that the
// statement gives besides the session.
func (t *tx) stay(ctx context.Context, sql string, h held, by actor, reason string, before []any, args ...any) (chat.Session, error) {
	args = append([]any{h.id, h.status, h.status, by.kind, by.id, reason, ""}, args...)
	return scanSession(t.QueryRow(ctx, sql, args...), t.db.settings.Current().CustomerAnonymity, before...)
}
