package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Books is every rupiah, at one moment:
//
//	Receipts + Operators = Funds − Returned + Balances + Refunds
//
// and Funds are the Prices of what was started. Wrong lists what does not go together in single rows: balances that their ledgers do
// not explain, payments that are not what arrived for them, talk that was left and not credited.
type Books struct {
	Receipts  int64 // money that arrived
	Operators int64 // credit given by hand, less what was taken
	Funds     int64 // put into sessions
	Prices    int64 // of sessions and extensions that are paid, and what is put towards others
	Returned  int64 // credited for talk that did not take place
	Balances  int64 // customers' credit
	Refunds   int64 // gone back, or on its way
	Wrong     []string
}

// Level tells whether nothing is missing and nothing too much.
func (b Books) Level() bool {
	return b.Receipts+b.Operators == b.Funds-b.Returned+b.Balances+b.Refunds && b.Funds == b.Prices && len(b.Wrong) == 0
}

// A session that is not paid whole may have credit put in: then that is its price so far.
const booksSQL = `
	select
		(select coalesce(sum(amount), 0) from payment_receipts)::bigint,
		(select coalesce(sum(amount), 0) from customer_credits where reason = 'operator')::bigint,
		(select coalesce(sum(funds), 0) from chat_sessions)::bigint,
		((select coalesce(sum(case when paid_seconds > 0 then price else funds end), 0) from chat_sessions)
			+ (select coalesce(sum(price), 0) from session_extensions where status = 'paid'))::bigint,
		(select coalesce(sum(amount), 0) from customer_credits where reason = 'returned')::bigint,
		(select coalesce(sum(credit), 0) from customers)::bigint,
		(select coalesce(sum(amount), 0) from refunds where status <> 'failed')::bigint`

// dueBackSQL is what must have come back for a session s that is over: for one that ended, the share of the seconds that were left unless its
// customer left them, to a second; for one that never ran to its end, all of what was put in if it was not paid whole, else a second's share
// at least.
const dueBackSQL = `case
		when s.status <> 'ended' then case when s.paid_seconds = 0 then s.funds else least(s.funds / s.paid_seconds, 1) end
		when s.end_reason in ('mitra', 'operator', 'deactivated') then
			floor(s.funds * least(greatest(ceil(extract(epoch from s.ends_at - s.ended_at)), 0), s.paid_seconds) / nullif(s.paid_seconds, 0))
		else 0 end`

const wrongRowsSQL = `
	select 'balance of customer ' || c.id from customers c
	where c.credit <> coalesce((select sum(amount) from customer_credits where customer_id = c.id), 0)
	union all
	select 'ledger entry ' || id from (
		select id, amount, balance, lag(balance, 1, 0::bigint) over (partition by customer_id order by id) as before from customer_credits) l
	where balance <> before + amount
	union all
	select 'paid without a receipt: ' || id from payments p
	where status in ('paid', 'refunded') and not exists (select from payment_receipts r where r.payment_id = p.id)
	union all
	select 'a receipt, and not paid: ' || p.id from payments p join payment_receipts r on r.payment_id = p.id where p.status not in ('paid', 'refunded')
	union all
	select 'two receipts started something: ' || payment_id from payment_receipts where not credited group by payment_id having count(*) > 1
	union all
	select 'late money is no credit: ' || r.payment_id from payment_receipts r
	where credited and not exists (select from customer_credits c where c.payment_id = r.payment_id and c.reason = 'late' and c.amount = r.amount)
	union all
	select 'returned for ' || id || ': ' || returned || ', to be ' || due from (
		select s.id, s.status, s.funds, s.paid_seconds, coalesce(c.returned, 0) as returned, ` + dueBackSQL + ` as due
		from chat_sessions s left join (
			select session_id, sum(amount) as returned from customer_credits where reason = 'returned' group by session_id) c on c.session_id = s.id
		where s.funds > 0 and s.status not in ('searching', 'pending_payment', 'active')) over
	where case when status = 'ended' then abs(returned - due) > funds / nullif(paid_seconds, 0) + 1 else not returned between due and funds end
	union all
	select 'not paid, and it ran: ' || id from chat_sessions where price > 0 and status in ('active', 'ended') and paid_seconds = 0
	union all
	select 'an extension of what does not run: ' || id from chat_sessions where extension_id is not null and status not in ('active', 'searching')
	union all
	select 'a pending extension that nothing waits for: ' || e.id from session_extensions e join chat_sessions s on s.id = e.session_id
	where e.status = 'pending' and s.extension_id is distinct from e.id
	union all
	select 'an open invoice of a session that is over: ' || p.id from payments p join chat_sessions s on s.id = p.session_id
	where p.status in ('opening', 'open') and s.status not in ('searching', 'pending_payment', 'active')`

// booksTimeout is more than a call has, since every row is looked at.
const booksTimeout = 30 * time.Second

// Books reads all of it from one snapshot. It looks at every row that has to do with money: for tests and simulations.
func (db *DB) Books(ctx context.Context) (b Books, err error) {
	ctx, cancel := context.WithTimeout(ctx, booksTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(t pgx.Tx) error {
		err := t.QueryRow(ctx, booksSQL).Scan(&b.Receipts, &b.Operators, &b.Funds, &b.Prices, &b.Returned, &b.Balances, &b.Refunds)
		if err != nil {
			return err
		}
		b.Wrong, err = all(ctx, t, pgx.RowTo[string], wrongRowsSQL)
		return err
	})
	return b, db.classify("books", err)
}
