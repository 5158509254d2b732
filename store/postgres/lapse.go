package postgres

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

const (
	closeInvoiceSQL = `
		update payments set status = $2, failure = $3, work_at = now(), updated_at = now() where id = $1 and status in ('opening', 'open')`
	// $2 the status of the invoices, $3 that of an extension.
	closeInvoicesSQL = `
		with e as (update session_extensions set status = $3, closed_at = now() where session_id = $1 and status = 'pending')
		update payments set status = $2, work_at = now(), updated_at = now() where session_id = $1 and status in ('opening', 'open')`
	closeExtensionSQL = `
		with e as (update session_extensions set status = $2, closed_at = now() where id = $3 and status = 'pending'),
		s as (update chat_sessions set extension_id = null, version = version + 1 where id = $1 returning *)
		select` + sessionColumns + ` from s` + sessionJoins
	touchSessionSQL = `
		with s as (update chat_sessions set version = version + 1 where id = $1 returning *)
		select` + sessionColumns + ` from s` + sessionJoins
)

// closeInvoices gives up what a session under lock that ends has not paid; what is paid at the vendor all the same becomes the
// customer's credit.
func (t *tx) closeInvoices(ctx context.Context, h held, reason chat.EndReason) error {
	if !(h.money.unpaid() && (h.status == chat.PendingPayment || h.round > 0)) && h.money.extension.IsZero() {
		return nil // there is none
	}
	status, extension := payment.Cancelled, "cancelled"
	switch reason {
	case chat.ReasonPaymentTimeout:
		status = payment.Expired
	case chat.ReasonExpired:
		status, extension = payment.Expired, "expired"
	}
	_, err := t.Exec(ctx, closeInvoicesSQL, h.id, status, extension)
	return err
}

// Lapse implements payment.Invoices. The vendor's session is cancelled, too, unless it is what is over.
func (m *Payments) Lapse(ctx context.Context, id core.PaymentID, providerID string, to payment.Status, failure string) (outcome payment.Outcome, err error) {
	err = m.db.inTx(ctx, "lapse payment", func(ctx context.Context, t *tx) error {
		outcome = payment.Ignored
		b, err := t.lockBill(ctx, id)
		switch {
		case err != nil:
			return err
		case b.id.IsZero():
			outcome = payment.Unknown
			return nil
		case !b.status.Waits() || providerID != "" && providerID != b.providerID:
			return nil
		}
		outcome = payment.Closed
		return t.lapse(ctx, &b, providerID != "", to, failure)
	})
	return outcome, err
}

func (t *tx) lapse(ctx context.Context, b *bill, overThere bool, to payment.Status, failure string) error {
	if _, err := t.Exec(ctx, closeInvoiceSQL, b.id, to, core.FirstChars(failure, maxFailure)); err != nil {
		return err
	}
	if overThere || b.providerID == "" {
		if _, err := t.Exec(ctx, `update payments set work_at = null where id = $1`, b.id); err != nil {
			return err
		}
	}
	if !b.held.status.Live() {
		return nil
	}
	sql, args := touchSessionSQL, []any{b.held.id}
	if !b.extension.IsZero() {
		extension := "expired"
		if to == payment.Cancelled {
			extension = "cancelled"
		}
		sql, args = closeExtensionSQL, []any{b.held.id, extension, b.extension}
	}
	s, err := scanSession(t.QueryRow(ctx, sql, args...), t.db.settings.Current().CustomerAnonymity)
	if err != nil {
		return err
	}
	return t.tell(s)
}
