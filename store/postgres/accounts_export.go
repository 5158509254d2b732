package postgres

import (
	"context"
	"net/netip"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// Export implements auth.Customers: one snapshot.
func (a *Accounts) Export(ctx context.Context, customer core.CustomerID) (e auth.Export, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = a.db.within(ctx, "export customer", func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, a.db.pool, snapshot, func(tx pgx.Tx) error {
			e, err = readExport(ctx, tx, customer)
			return err
		})
	})
	return e, err
}

func readExport(ctx context.Context, tx pgx.Tx, customer core.CustomerID) (e auth.Export, err error) {
	if e.Account, err = scanAccount(tx.QueryRow(ctx, accountSQL, core.Customer, customer)); err != nil {
		return e, err
	}
	if !e.Account.Active {
		return e, core.Errorf(core.NotFound, "no such account")
	}
	err = tx.QueryRow(ctx, `select now(), google_sub, apple_sub from customers where id = $1`, customer).
		Scan(&e.At, (*zeronull.Text)(&e.Google), (*zeronull.Text)(&e.Apple))
	if err != nil {
		return e, err
	}
	for _, read := range []exportPart{
		exported(&e.AuthSessions, exportAuthSessionsSQL, exportedAuthSession, customer),
		exported(&e.Devices, exportDevicesSQL, exportedDevice, customer),
		exported(&e.Codes, exportCodesSQL, exportedCode, e.Account.Phone),
		exported(&e.Sessions, exportSessionsSQL, exportedTalk, customer),
		exported(&e.Steps, exportStepsSQL, exportedStep, customer),
		exported(&e.Payments, exportPaymentsSQL, exportedPayment, customer),
		exported(&e.Refunds, exportRefundsSQL, exportedRefund, customer),
		exported(&e.Credits, exportCreditsSQL, exportedCredit, customer),
	} {
		if err := read(ctx, tx); err != nil {
			return e, err
		}
	}
	return e, nil
}

// exportPart reads one list of an export.
type exportPart func(ctx context.Context, tx pgx.Tx) error

func exported[T any](into *[]T, sql string, scan pgx.RowToFunc[T], of any) exportPart {
	return func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, of)
		if err != nil {
			return err
		}
		*into, err = pgx.CollectRows(rows, scan)
		return err
	}
}

const exportAuthSessionsSQL = `
	select id, created_at, last_used_at, expires_at, revoked_at, user_agent, ip from auth_sessions where user_id = $1 order by created_at`

func exportedAuthSession(row pgx.CollectableRow) (s auth.ExportedAuthSession, err error) {
	var ip *netip.Prefix
	err = row.Scan(&s.ID, &s.CreatedAt, &s.LastUsedAt, &s.ExpiresAt, (*zeronull.Timestamptz)(&s.RevokedAt), &s.UserAgent, &ip)
	s.IP = addr(ip)
	return s, err
}

func addr(ip *netip.Prefix) netip.Addr {
	if ip == nil {
		return netip.Addr{}
	}
	return ip.Addr()
}

const exportDevicesSQL = `select platform, token, created_at from device_tokens where user_id = $1 order by created_at`

func exportedDevice(row pgx.CollectableRow) (d auth.ExportedDevice, err error) {
	err = row.Scan(&d.Platform, &d.Token, &d.CreatedAt)
	return d, err
}

const exportCodesSQL = `select phone, created_at, used_at, ip from otp_requests where phone = $1 and user_type = 'customer' order by created_at`

func exportedCode(row pgx.CollectableRow) (c auth.ExportedCode, err error) {
	var ip *netip.Prefix
	err = row.Scan(&c.Phone, &c.CreatedAt, (*zeronull.Timestamptz)(&c.UsedAt), &ip)
	c.IP = addr(ip)
	return c, err
}

// A customer saw its mitra's id and name, and those of no other.
const exportSessionsSQL = `
	select s.id, s.status, s.duration_minutes, s.price, s.note, s.mitra_id, coalesce(m.display_name, ''), s.created_at, s.started_at, s.ended_at, s.end_reason
	from chat_sessions s left join mitras m on m.id = s.mitra_id where s.customer_id = $1 order by s.created_at`

func exportedTalk(row pgx.CollectableRow) (s auth.ExportedSession, err error) {
	err = row.Scan(&s.ID, &s.Status, &s.Minutes, &s.Price, &s.Note, &s.MitraID, &s.MitraName, &s.CreatedAt,
		(*zeronull.Timestamptz)(&s.StartedAt), (*zeronull.Timestamptz)(&s.EndedAt), (*zeronull.Text)(&s.EndReason))
	return s, err
}

const exportStepsSQL = `
	select e.session_id, e.to_status, e.actor_type, e.reason, case when e.actor_type = 'customer' then e.note else '' end, e.at
	from session_events e join chat_sessions s on s.id = e.session_id where s.customer_id = $1 order by e.id`

func exportedStep(row pgx.CollectableRow) (s auth.ExportedStep, err error) {
	err = row.Scan(&s.Session, &s.Status, &s.By, &s.Reason, &s.Note, &s.At)
	return s, err
}

const exportPaymentsSQL = `
	select id, session_id, amount, currency, status, created_at, paid_at from payments where customer_id = $1 order by created_at`

func exportedPayment(row pgx.CollectableRow) (p auth.ExportedPayment, err error) {
	err = row.Scan(&p.ID, &p.Session, &p.Amount, &p.Currency, &p.Status, &p.CreatedAt, (*zeronull.Timestamptz)(&p.PaidAt))
	return p, err
}

const exportRefundsSQL = `
	select r.payment_id, r.amount, r.status, r.created_at, r.closed_at
	from refunds r join payments p on p.id = r.payment_id where p.customer_id = $1 order by r.created_at`

func exportedRefund(row pgx.CollectableRow) (r auth.ExportedRefund, err error) {
	err = row.Scan(&r.Payment, &r.Amount, &r.Status, &r.At, (*zeronull.Timestamptz)(&r.ClosedAt))
	return r, err
}

const exportCreditsSQL = `select amount, balance, reason, at from customer_credits where customer_id = $1 order by id`

func exportedCredit(row pgx.CollectableRow) (c auth.ExportedCredit, err error) {
	err = row.Scan(&c.Amount, &c.Balance, &c.Reason, &c.At)
	return c, err
}
