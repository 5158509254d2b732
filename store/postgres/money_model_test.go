package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// trial holds the store against the model, step by step, through two instances.
type trial struct {
	*world
	rt       *rapid.T
	m        model
	dbs      []*postgres.DB
	customer core.CustomerID
	s        chat.Session
	keys     int
}

// db is either instance.
func (l *trial) db() *postgres.DB {
	return l.dbs[rapid.IntRange(0, len(l.dbs)-1).Draw(l.rt, "instance")]
}

// took wants the store to have done what the model did.
func (l *trial) took(done bool, err error) {
	if done {
		require.NoError(l.rt, err)
		return
	}
	c := core.CodeOf(err)
	require.NotEqual(l.rt, core.Internal, c, "%v", err)
	require.NotEqual(l.rt, core.Unavailable, c, "%v", err)
}

func (l *trial) anyBill() *modelBill {
	if len(l.m.bills) == 0 {
		return nil
	}
	return rapid.SampledFrom(l.m.bills).Draw(l.rt, "bill")
}

// due moves a deadline to now, if the session is in that status.
func (l *trial) due(column string, status chat.Status) {
	started := ""
	if status == chat.Active {
		started = "started_at = now() - interval '1 day', "
	}
	l.exec(fmt.Sprintf(`update chat_sessions set %s%s = now() where id = $1 and status = '%s'`, started, column, status), l.s.ID)
}

// mitraOf is who holds the session.
func (l *trial) mitraOf() core.MitraID {
	return value[core.MitraID](l.world, `
		select coalesce((select mitra_id from chat_sessions where id = $1 and status in ('pending_payment', 'active')), $2)`, l.s.ID, core.MitraID{})
}

// left is how many seconds were left of a talk that ran and has just been ended: the clock may have come to another second between its lock
// and its end.
func (l *trial) left() int {
	if !l.m.live() || l.m.now.status != chat.Active {
		return 0
	}
	var left int
	var returned int64
	require.NoError(l.rt, l.sql.QueryRow(l.t.Context(), `
		select greatest(ceil(extract(epoch from ends_at - ended_at)), 0)::integer,
			(select coalesce(sum(amount), 0) from customer_credits c where c.session_id = s.id and c.reason = 'returned')
		from chat_sessions s where id = $1`, l.s.ID).Scan(&left, &returned))
	if more := min(left+1, l.m.now.paid); returned == l.m.now.funds*int64(more)/int64(l.m.now.paid) {
		return more
	}
	return left
}

var trialSteps = map[string]func(l *trial){
	"ask": func(l *trial) {
		pack, price := l.paid, modelPrice
		if rapid.IntRange(0, 4).Draw(l.rt, "free") == 0 {
			pack, price = l.free, 0
		}
		l.keys++
		s, err := l.db().Pairing().Request(l.t.Context(), pairing.Request{CustomerID: l.customer, Key: fmt.Sprint(l.keys), PackageID: pack}, nil)
		if l.m.live() {
			require.Equal(l.rt, core.SessionLive, core.CodeOf(err))
			return
		}
		require.NoError(l.rt, err)
		l.s, l.m.now = s, &talk{status: chat.Searching, price: price}
	},
	"accept": func(l *trial) {
		if !l.m.live() || l.m.now.status != chat.Searching {
			return // nobody has an offer then
		}
		mitra := l.mitra()
		l.exec(`update chat_sessions set waiting = false, wave_deadline_at = now() + interval '1 minute' where id = $1`, l.s.ID)
		require.NoError(l.rt, l.db().Pairing().NextWave(l.t.Context(), l.s.ID, value[int](l.world, `select wave from chat_sessions where id = $1`, l.s.ID), []core.MitraID{mitra}))
		offer := value[core.OfferID](l.world, `select id from session_offers where mitra_id = $1`, mitra)
		_, err := l.db().Pairing().Accept(l.t.Context(), offer, mitra, 1)
		l.took(l.m.accept(), err)
		if b := l.m.openBill(); b != nil && b.id.IsZero() {
			b.id = l.read(l.s).Payment.ID
		}
	},
	"reroute": func(l *trial) {
		_, err := l.db().Chat().Reroute(l.t.Context(), l.s.ID, as(core.Customer, l.customer), "")
		l.took(l.m.reroute(), err)
		if l.m.live() && l.m.now.left == -1 {
			l.m.now.left = value[int](l.world, `select seconds_left from chat_sessions where id = $1`, l.s.ID)
			require.LessOrEqual(l.rt, l.m.now.left, l.m.now.paid)
			require.Positive(l.rt, l.m.now.left)
		}
	},
	"time goes by": func(l *trial) {
		l.exec(`update chat_sessions set started_at = started_at - interval '7 minutes', ends_at = ends_at - interval '2 minutes'
			where id = $1 and status = 'active' and ends_at > now() + interval '3 minutes'`, l.s.ID)
	},
	"cancel": func(l *trial) {
		_, err := l.db().Pairing().Cancel(l.t.Context(), l.s.ID, l.customer)
		l.took(l.m.over(chat.Cancelled, payment.Cancelled, 0), err)
	},
	"end": func(l *trial) {
		_, err := l.db().Chat().End(l.t.Context(), l.s.ID, as(core.Customer, l.customer), "")
		l.took(l.m.over(chat.Ended, payment.Cancelled, 0), err)
	},
	"the mitra ends": func(l *trial) {
		_, err := l.db().Chat().End(l.t.Context(), l.s.ID, as(core.Mitra, l.mitraOf()), "")
		l.took(l.m.over(chat.Ended, payment.Cancelled, l.left()), err)
	},
	"an operator ends": func(l *trial) {
		to, live := l.m.brokenOff(), l.m.live()
		_, err := l.db().Admin().EndSession(l.t.Context(), core.OperatorID{}, l.s.ID, "")
		if live {
			l.took(l.m.over(to, payment.Cancelled, l.left()), err)
		}
	},
	"the mitra is deactivated": func(l *trial) {
		if mitra := l.mitraOf(); !mitra.IsZero() {
			_, err := l.db().Admin().Deactivate(l.t.Context(), core.OperatorID{}, mitra)
			l.took(l.m.over(l.m.brokenOff(), payment.Cancelled, l.left()), err)
		}
	},
	"the end is due": func(l *trial) {
		l.due("ends_at", chat.Active)
		l.took(true, l.db().Chat().Expire(l.t.Context(), l.s.ID))
		l.m.over(chat.Ended, payment.Expired, 0)
	},
	"the payment is due": func(l *trial) {
		l.due("payment_deadline_at", chat.PendingPayment)
		l.took(true, l.db().Chat().PaymentTimeout(l.t.Context(), l.s.ID))
		if l.m.live() && l.m.now.status == chat.PendingPayment {
			l.m.over(chat.Cancelled, payment.Expired, 0)
		}
	},
	"the search is over": func(l *trial) {
		l.due("search_deadline_at", chat.Searching)
		l.took(true, l.db().Pairing().Unmatch(l.t.Context(), l.s.ID))
		l.m.over(chat.Unmatched, payment.Cancelled, 0)
	},
	"extend": func(l *trial) {
		pack, price := l.paid, modelPrice
		if rapid.Bool().Draw(l.rt, "free") {
			pack, price = l.free, 0
		}
		l.keys++
		s, err := l.db().Chat().Extend(l.t.Context(), chat.Extension{SessionID: l.s.ID, CustomerID: l.customer, PackageID: pack, Key: fmt.Sprint(l.keys)})
		done := l.m.extend(price)
		l.took(done, err)
		if done && price > 0 {
			l.m.now.extended.id = s.Payment.ID
		}
	},
	"open": func(l *trial) {
		if b := l.anyBill(); b != nil {
			_, _, err := l.db().Payments().Opened(l.t.Context(), b.id, "fake", payment.Checkout{ID: vendorSession(b.id), URL: "https://", ExpiresAt: l.s.CreatedAt.AddDate(1, 0, 0)})
			require.NoError(l.rt, err)
			if b.status == payment.Opening {
				b.status = payment.Open
			}
		}
	},
	"pay": func(l *trial) {
		if b := l.anyBill(); b != nil {
			r := receipt(b.id, b.amount)
			r.Charge = fmt.Sprint("py-", b.charges)
			outcome, err := l.db().Payments().Settle(l.t.Context(), r)
			require.NoError(l.rt, err)
			require.Equal(l.rt, l.m.pay(b), outcome)
		}
	},
	"told again": func(l *trial) {
		if b := l.anyBill(); b != nil && b.charges > 0 {
			r := receipt(b.id, b.amount)
			r.Charge = fmt.Sprint("py-", rapid.IntRange(0, b.charges-1).Draw(l.rt, "charge"))
			outcome, err := l.db().Payments().Settle(l.t.Context(), r)
			require.NoError(l.rt, err)
			require.Equal(l.rt, payment.Repeated, outcome)
		}
	},
	"told wrongly": func(l *trial) {
		if b := l.anyBill(); b != nil {
			r := receipt(b.id, b.amount+1)
			r.Charge = "py-wrong"
			outcome, err := l.db().Payments().Settle(l.t.Context(), r)
			require.NoError(l.rt, err)
			require.Equal(l.rt, payment.Mismatch, outcome)
		}
	},
	"lapse": func(l *trial) {
		if b := l.anyBill(); b != nil {
			to := rapid.SampledFrom([]payment.Status{payment.Expired, payment.Failed, payment.Cancelled}).Draw(l.rt, "to")
			_, err := l.db().Payments().Lapse(l.t.Context(), b.id, "", to, "")
			require.NoError(l.rt, err)
			l.m.lapse(b, to)
		}
	},
	"ask for the invoice": func(l *trial) {
		waits := l.m.live() && l.m.now.status == chat.PendingPayment && l.m.openBill() == nil
		p, _, err := l.db().Payments().Invoice(l.t.Context(), l.s.ID, l.customer)
		l.took(waits, err)
		if waits {
			l.m.bill(l.m.now.price-l.m.now.funds, false).id = p.ID
		}
	},
	"credit by hand": func(l *trial) {
		amount := rapid.Int64Range(-20_000, 40_000).Filter(func(n int64) bool { return n != 0 }).Draw(l.rt, "amount")
		_, err := l.db().Admin().GiveCredit(l.t.Context(), core.OperatorID{}, l.customer, amount, "")
		done := l.m.credit+amount >= 0
		l.took(done, err)
		if done {
			l.m.credit += amount
		} else {
			require.Equal(l.rt, core.Conflict, core.CodeOf(err))
		}
	},
}

// agree compares everything that the model knows.
func (l *trial) agree(step string) {
	require.Equal(l.rt, l.m.credit, l.credit(l.customer), step)
	for _, b := range l.m.bills {
		require.Equal(l.rt, string(b.status), l.paymentStatus(b.id), "%s: bill of %d", step, b.amount)
		require.Equal(l.rt, b.amount, value[int64](l.world, `select amount from payments where id = $1`, b.id), step)
	}
	require.Equal(l.rt, len(l.m.bills), value[int](l.world, `select count(*) from payments where customer_id = $1`, l.customer), step)
	if l.m.now == nil {
		return
	}
	var got talk
	var extending bool
	require.NoError(l.rt, l.sql.QueryRow(l.t.Context(), `
		select status, round, price, funds, paid_seconds, coalesce(seconds_left, 0), extension_id is not null from chat_sessions where id = $1`, l.s.ID).
		Scan(&got.status, &got.round, &got.price, &got.funds, &got.paid, &got.left, &extending))
	want := *l.m.now
	require.Equal(l.rt, want.extended != nil, extending, step)
	want.extended = nil
	if !want.status.Live() {
		want.left = 0
	}
	require.Equal(l.rt, want, got, step)
}

// trialStarts lead to where there is much to happen, which steps by chance alone seldom do.
var trialStarts = [][]string{nil, {"accept"}, {"accept", "pay"}, {"accept", "pay", "extend", "pay"}, {"accept", "pay", "reroute", "accept"}}

func TestMoney_AgainstTheModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("payment_timeout_seconds", 3600)
	w.set("pairing_max_waves", 20)
	dbs := []*postgres.DB{w.db, w.second()}
	rapid.Check(t, func(rt *rapid.T) {
		l := &trial{world: w, rt: rt, dbs: dbs, customer: w.customer()}
		steps := append([]string{"ask"}, rapid.SampledFrom(trialStarts).Draw(rt, "start")...)
		for _, step := range append(steps, rapid.SliceOfN(rapid.SampledFrom(names(trialSteps)), 4, 25).Draw(rt, "steps")...) {
			trialSteps[step](l)
			l.agree(step)
		}
		w.exec(`update chat_sessions set search_deadline_at = now() - interval '1 hour' where id = $1 and status = 'searching'`, l.s.ID)
	})
	w.books()
}
