package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// Payments implements the ports of core/payment.
type Payments struct{ db *DB }

var (
	_ payment.Invoices   = (*Payments)(nil)
	_ payment.Till       = (*Payments)(nil)
	_ payment.Deliveries = (*Payments)(nil)
	_ payment.Payments   = (*Payments)(nil)
)

// Payments is the money's part of the store.
func (db *DB) Payments() *Payments { return &Payments{db} }

// paymentColumns reads payment.Payment from payments p.
const paymentColumns = `
	p.id, p.session_id, p.extension_id, p.customer_id, p.amount, p.status, p.provider, p.provider_id, p.checkout_url, p.expires_at,
	p.paid_at, p.created_at, p.charge, p.failure, p.attempts, coalesce(p.expires_at <= now(), false)`

func scanPayment(row pgx.CollectableRow) (p payment.Payment, err error) {
	err = row.Scan(&p.ID, &p.SessionID, &p.ExtensionID, &p.CustomerID, &p.Amount, &p.Status, &p.Provider, (*zeronull.Text)(&p.ProviderID),
		&p.CheckoutURL, (*zeronull.Timestamptz)(&p.ExpiresAt), (*zeronull.Timestamptz)(&p.PaidAt), &p.CreatedAt, &p.Charge, &p.Failure,
		&p.Attempts, &p.Overdue)
	return p, err
}

func noPayment() error { return core.Errorf(core.NotFound, "no such payment") }

const claimPaymentsSQL = `
	update payments p set work_at = now() + $2::interval, attempts = p.attempts + 1, failure = ''
	where p.id = any(array(select id from payments where work_at <= now() order by work_at limit $1 for update skip locked))
	returning` + paymentColumns

// Claim implements payment.Invoices.
func (m *Payments) Claim(ctx context.Context, limit int) (claimed []payment.Payment, err error) {
	err = m.db.within(ctx, "claim payments", func(ctx context.Context) error {
		rows, err := m.db.pool.Query(ctx, claimPaymentsSQL, limit, payment.Lease)
		if err != nil {
			return err
		}
		claimed, err = pgx.CollectRows(rows, scanPayment)
		return err
	})
	return claimed, err
}

// OfCustomer implements payment.Payments.
func (m *Payments) OfCustomer(ctx context.Context, id core.PaymentID, by core.CustomerID) (p payment.Payment, err error) {
	err = m.db.within(ctx, "read payment", func(ctx context.Context) error {
		p, err = m.one(ctx, m.db.pool, `where p.id = $1 and p.customer_id = $2`, id, by)
		return err
	})
	return p, err
}

func (m *Payments) one(ctx context.Context, q querier, where string, args ...any) (payment.Payment, error) {
	rows, err := q.Query(ctx, `select`+paymentColumns+` from payments p `+where, args...)
	if err != nil {
		return payment.Payment{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, scanPayment)
	if missing(err) {
		err = noPayment()
	}
	return p, err
}

// An invoice whose opening failed may be tried again at once when its customer asks; two seconds keep the vendor from being asked
// all the time.
const (
	currentInvoiceSQL = `
		where p.session_id = $1 and p.extension_id is not distinct from $2
		order by (p.status in ('opening', 'open')) desc, (p.status in ('paid', 'refunded')) desc, p.created_at desc limit 1 for no key update`
	claimInvoiceSQL = `
		update payments p set work_at = now() + $2::interval, attempts = p.attempts + 1, failure = '', updated_at = now()
		where p.id = $1 and p.status = 'opening' and (p.work_at <= now() or p.failure <> '' and p.updated_at < now() - interval '2 seconds')
		returning` + paymentColumns
	renewInvoiceSQL = `
		with s as (update chat_sessions set version = version + 1 where id = $1 returning *),
		bill as (
			insert into payments (id, session_id, customer_id, amount, expires_at, work_at, attempts)
			select $2, id, customer_id, price - funds, payment_deadline_at, now() + $3::interval, 1 from s)
		select` + sessionColumns + ` from s` + sessionJoins
)

// Invoice implements payment.Invoices.
func (m *Payments) Invoice(ctx context.Context, session core.SessionID, by core.CustomerID) (p payment.Payment, claimed bool, err error) {
	err = m.db.inTx(ctx, "invoice", func(ctx context.Context, t *tx) error {
		claimed = false
		h, err := t.hold(ctx, session)
		if err == nil && h.customer != by {
			err = noSession()
		}
		if err != nil {
			return err
		}
		p, err = m.one(ctx, t, currentInvoiceSQL, session, h.money.extension)
		if err != nil && core.CodeOf(err) != core.NotFound {
			return err
		}
		waits := h.status == chat.PendingPayment && !h.due && h.money.extension.IsZero()
		switch {
		case err != nil && !waits:
			return t.wrongState(ctx, session) // nothing is to be paid, or credit paid it
		case err != nil || !p.Status.Waits() && waits:
			p, err = m.renew(ctx, t, h)
			claimed = err == nil
		case p.Status == payment.Opening:
			p, claimed, err = m.claimOne(ctx, t, p)
		}
		return err
	})
	return p, claimed, err
}

func (m *Payments) claimOne(ctx context.Context, t *tx, p payment.Payment) (payment.Payment, bool, error) {
	rows, err := t.Query(ctx, claimInvoiceSQL, p.ID, payment.Lease)
	if err != nil {
		return p, false, err
	}
	mine, err := pgx.CollectExactlyOneRow(rows, scanPayment)
	if missing(err) {
		return p, false, nil // somebody is at it
	}
	return mine, err == nil, err
}

// renew writes a new invoice for a session that waits, since the vendor gave the last one up.
func (m *Payments) renew(ctx context.Context, t *tx, h held) (p payment.Payment, err error) {
	id := core.NewID[core.PaymentID]()
	s, err := scanSession(t.QueryRow(ctx, renewInvoiceSQL, h.id, id, payment.Lease), t.db.settings.Current().CustomerAnonymity)
	if err != nil {
		return p, err
	}
	s.Payment = &chat.Payment{ID: id, Status: string(payment.Opening), ExpiresAt: s.DeadlineAt}
	if err := t.tell(s); err != nil {
		return p, err
	}
	return m.one(ctx, t, `where p.id = $1`, id)
}

// Locks come in the order that all keep, session before payment; the counts make each part wait for the one before.
const (
	openedSQL = `
		with held as materialized (
			select id from chat_sessions where id = (select session_id from payments where id = $1) for no key update),
		bill as (
			update payments set status = 'open', provider = $2, provider_id = $3, checkout_url = $4, provider_expires_at = $5, attempts = 0,
				failure = '', updated_at = now(),
				work_at = case when extension_id is null then now() + $6::interval else least(now() + $6::interval, expires_at) end
			where id = $1 and status = 'opening' and (select count(*) from held) > 0
			returning session_id, extension_id, amount, expires_at, created_at),
		s as (update chat_sessions set version = version + 1 where id = (select session_id from bill) returning *)
		select bill.extension_id, bill.amount, bill.expires_at, bill.created_at,` + sessionColumns + ` from s cross join bill` + sessionJoins
	adoptSQL = `
		update payments set provider = $2, provider_id = $3, checkout_url = $4, provider_expires_at = $5, work_at = now()
		where id = $1 and provider_id is null and status not in ('opening', 'open')`
)

// Opened implements payment.Invoices. A session for a payment that was closed meanwhile is kept with it, to be cancelled.
func (m *Payments) Opened(ctx context.Context, id core.PaymentID, provider string, c payment.Checkout) (p payment.Payment, shown bool, err error) {
	err = m.db.inTx(ctx, "payment opened", func(ctx context.Context, t *tx) error {
		shown = false
		p = payment.Payment{ID: id, Status: payment.Open, Provider: provider, ProviderID: c.ID, CheckoutURL: c.URL}
		s, err := scanSession(t.QueryRow(ctx, openedSQL, id, provider, c.ID, c.URL, c.ExpiresAt, payment.PollFirst),
			m.db.settings.Current().CustomerAnonymity, &p.ExtensionID, &p.Amount, &p.ExpiresAt, &p.CreatedAt)
		if missing(err) {
			_, err = t.Exec(ctx, adoptSQL, id, provider, c.ID, c.URL, c.ExpiresAt)
			if err == nil {
				p, err = m.one(ctx, t, `where p.id = $1`, id)
				shown = p.ProviderID == c.ID
			}
			return err
		}
		if err != nil {
			return err
		}
		shown = true
		p.SessionID, p.CustomerID = s.ID, s.CustomerID
		s.Payment = &chat.Payment{ID: id, Status: string(payment.Open), CheckoutURL: c.URL, ExpiresAt: p.ExpiresAt}
		return t.tell(s)
	})
	return p, shown, err
}

// What was made due while somebody worked on it stays due: what the vendor answered may be older than the reason for that.
const postponeSQL = `
	update payments set failure = $3, updated_at = now(), work_at = case
		when work_at <= now() then work_at
		when extension_id is not null and status in ('opening', 'open') then least(now() + $2::interval, expires_at) else now() + $2::interval end
	where id = $1 and (work_at is not null or status in ('opening', 'open'))`

// Postpone implements payment.Invoices.
func (m *Payments) Postpone(ctx context.Context, id core.PaymentID, wait time.Duration, failure string) error {
	return m.exec(ctx, "postpone payment", postponeSQL, id, wait, core.FirstChars(failure, maxFailure))
}

// maxFailure bounds what is kept of a vendor's words, in characters.
const maxFailure = 500

// Rest implements payment.Invoices.
func (m *Payments) Rest(ctx context.Context, id core.PaymentID) error {
	return m.exec(ctx, "rest payment", `update payments set work_at = null, attempts = 0 where id = $1 and status not in ('opening', 'open')`, id)
}

func (m *Payments) exec(ctx context.Context, op, sql string, args ...any) error {
	return m.db.within(ctx, op, func(ctx context.Context) error {
		_, err := m.db.pool.Exec(ctx, sql, args...)
		return err
	})
}
