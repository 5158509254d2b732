package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// tangle is one session to which several things happen at once, through two instances.
type tangle struct {
	*world
	dice   *rand.Rand
	s      chat.Session
	mitras []core.MitraID
	offers []core.OfferID
	bills  []tangledBill
}

type tangledBill struct {
	id     core.PaymentID
	amount int64
}

// knots are what may happen to a session. Whatever is refused is; what must not be is that something is lost, or done twice.
var knots = []struct {
	name string
	tie  func(ctx context.Context, l *tangle, db *postgres.DB, n int) error
}{
	{"accept", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		if len(l.offers) == 0 {
			return nil
		}
		i := n % len(l.offers)
		_, err := db.Pairing().Accept(ctx, l.offers[i], l.mitras[i], 1)
		return err
	}},
	{"cancel", func(ctx context.Context, l *tangle, db *postgres.DB, _ int) error {
		_, err := db.Pairing().Cancel(ctx, l.s.ID, l.s.CustomerID)
		return err
	}},
	{"end", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		by := as(core.Customer, l.s.CustomerID)
		if n%2 == 0 {
			by = as(core.Mitra, l.mitras[n/2%len(l.mitras)])
		}
		_, err := db.Chat().End(ctx, l.s.ID, by, "")
		return err
	}},
	{"end by an operator", func(ctx context.Context, l *tangle, db *postgres.DB, _ int) error {
		_, err := db.Admin().EndSession(ctx, core.OperatorID{}, l.s.ID, "")
		return err
	}},
	{"deactivation", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		_, err := db.Admin().Deactivate(ctx, core.OperatorID{}, l.mitras[n%len(l.mitras)])
		return err
	}},
	{"reroute", func(ctx context.Context, l *tangle, db *postgres.DB, _ int) error {
		_, err := db.Chat().Reroute(ctx, l.s.ID, as(core.Customer, l.s.CustomerID), "")
		return err
	}},
	{"deadlines", func(ctx context.Context, l *tangle, db *postgres.DB, _ int) error {
		for _, fire := range []func(context.Context, core.SessionID) error{db.Chat().Expire, db.Chat().PaymentTimeout, db.Pairing().Unmatch} {
			if err := fire(ctx, l.s.ID); err != nil {
				return err
			}
		}
		return nil
	}},
	{"extend", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		pack := []core.PackageID{l.paid, l.free}[n%2]
		_, err := db.Chat().Extend(ctx, chat.Extension{SessionID: l.s.ID, CustomerID: l.s.CustomerID, PackageID: pack, Key: fmt.Sprint(n)})
		return err
	}},
	{"pay", tangledPayment(1)},
	{"pay", tangledPayment(1)},
	{"pay", tangledPayment(1)},
	{"pay twice", tangledPayment(2)},
	{"give up", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		if len(l.bills) == 0 {
			return nil
		}
		to := []payment.Status{payment.Expired, payment.Failed, payment.Cancelled}[n%3]
		_, err := db.Payments().Lapse(ctx, l.bills[n%len(l.bills)].id, "", to, "")
		return err
	}},
	{"open", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		if len(l.bills) == 0 {
			return nil
		}
		id := l.bills[n%len(l.bills)].id
		_, _, err := db.Payments().Opened(ctx, id, "fake", payment.Checkout{ID: vendorSession(id), URL: "https://", ExpiresAt: l.s.CreatedAt.AddDate(1, 0, 0)})
		return err
	}},
	{"ask for the invoice", func(ctx context.Context, l *tangle, db *postgres.DB, _ int) error {
		_, _, err := db.Payments().Invoice(ctx, l.s.ID, l.s.CustomerID)
		return err
	}},
	{"refund", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		if len(l.bills) == 0 {
			return nil
		}
		r, err := db.Admin().OrderRefund(ctx, core.OperatorID{}, refundOf(l.bills[n%len(l.bills)].id, 0))
		if err != nil {
			return err
		}
		return db.Refunds().Settled(ctx, r.ID, payment.RefundState{ID: "rfd-1", Failure: []string{"", "no"}[n%2]})
	}},
	{"credit by hand", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		_, err := db.Admin().GiveCredit(ctx, core.OperatorID{}, l.s.CustomerID, []int64{7_000, -9_000}[n%2], "")
		return err
	}},
	{"deletion", func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		if n%8 > 0 {
			return nil
		}
		_, err := db.Accounts().Delete(ctx, l.s.CustomerID)
		return err
	}},
}

// tangledPayment is money for one of the bills, so many times, under as many names; each is told three times.
func tangledPayment(times int) func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
	return func(ctx context.Context, l *tangle, db *postgres.DB, n int) error {
		if len(l.bills) == 0 {
			return nil
		}
		bill := l.bills[n%len(l.bills)]
		for told := range 3 {
			r := receipt(bill.id, bill.amount)
			r.Charge = fmt.Sprint("py-", told%times)
			if _, err := db.Payments().Settle(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// look reads what there is to pay and to accept by now; sometimes a deadline is due.
func (l *tangle) look() {
	rows, err := l.sql.Query(context.Background(), `select id, amount from payments where session_id = $1 order by created_at, id`, l.s.ID)
	require.NoError(l.t, err)
	l.bills, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (b tangledBill, err error) {
		err = row.Scan(&b.id, &b.amount)
		return b, err
	})
	require.NoError(l.t, err)
	if l.dice.IntN(3) == 0 {
		l.exec(`update chat_sessions set search_deadline_at = now() where id = $1 and status = 'searching'`, l.s.ID)
		l.exec(`update chat_sessions set payment_deadline_at = now() where id = $1 and status = 'pending_payment'`, l.s.ID)
		l.exec(`update chat_sessions set started_at = now() - interval '1 hour', ends_at = now() where id = $1 and status = 'active'`, l.s.ID)
	}
	if value[bool](l.world, `select status = 'searching' and round > 0 from chat_sessions where id = $1`, l.s.ID) {
		l.asksOthers()
	}
}

// asksOthers is the wave after a reroute.
func (l *tangle) asksOthers() {
	l.mitras = l.world.mitras(2)
	l.exec(`update chat_sessions set waiting = false, wave_deadline_at = now() + interval '1 minute' where id = $1 and status = 'searching'`, l.s.ID)
	_ = l.db.Pairing().NextWave(context.Background(), l.s.ID, value[int](l.world, `select wave from chat_sessions where id = $1`, l.s.ID), l.mitras)
	l.offers = nil
	for _, m := range l.mitras {
		if id := value[core.OfferID](l.world, `
				select coalesce((select id from session_offers where session_id = $1 and mitra_id = $2), $3)`, l.s.ID, m, core.OfferID{}); !id.IsZero() {
			l.offers = append(l.offers, id)
		}
	}
}

// TestMoney_Interleavings has several things happen to a session at the same time, again and again, through two instances, of which
// one loses its connections in the middle of it now and then, as when it is killed. Whatever comes out: one winner a session, nobody over
// its capacity, every step along the table, the books level. CHAOS_MONEY=10m is how long it goes on (make chaos-money).
func TestMoney_Interleavings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("payment_timeout_seconds", 3600)
	doomed := pgtest.Open(t, named(w.url, "doomed"), postgres.Options{})
	rounds, until := 15, time.Time{}
	if text := os.Getenv("CHAOS_MONEY"); text != "" {
		lasts, err := time.ParseDuration(text)
		require.NoError(t, err)
		rounds, until = 1<<30, time.Now().Add(lasts)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	done := 0
	for round := 0; round < rounds && (until.IsZero() || time.Now().Before(until)); round++ {
		l := &tangle{world: w, dice: dice}
		l.begins()
		for range 4 {
			done += l.together(doomed)
		}
		l.holds()
		if until.IsZero() || round%100 == 0 {
			w.books()
		}
	}
	w.books()
	t.Logf("%d happenings: %s", done, value[string](w, `
		select string_agg(what, ', ') from (
			select to_status || ' ' || reason || ' ' || count(*) as what from session_events where reason <> '' group by to_status, reason order by 1) e`))
}

// begins is a session somewhere in its life.
func (l *tangle) begins() {
	l.mitras = l.world.mitras(2)
	l.s = l.asks(l.paid, l.mitras...)
	l.offers = []core.OfferID{l.offer(l.s, l.mitras[0]), l.offer(l.s, l.mitras[1])}
	if l.dice.IntN(2) == 0 {
		l.gives(l.s.CustomerID, 10_000)
	}
	stage := l.dice.IntN(5)
	if stage > 0 {
		l.s = l.accepts(l.s, l.mitras[0])
	}
	if stage > 1 {
		l.pays(l.s.Payment.ID, value[int64](l.world, `select amount from payments where id = $1`, l.s.Payment.ID))
	}
	if stage > 2 {
		_, err := l.extends(l.s, l.paid, "first")
		require.NoError(l.t, err)
	}
	if stage > 3 {
		l.reroutes(l.s)
	}
}

// together ties some knots at the same time.
func (l *tangle) together(doomed *postgres.DB) int {
	l.look()
	n := 3 + l.dice.IntN(4)
	chosen, numbers := make([]int, n), make([]int, n)
	for i := range n {
		chosen[i], numbers[i] = l.dice.IntN(len(knots)), l.dice.IntN(1<<20)
	}
	var killing sync.WaitGroup
	if l.dice.IntN(3) == 0 {
		pause := time.Duration(l.dice.IntN(int(10 * time.Millisecond)))
		killing.Go(func() {
			<-time.After(pause)
			l.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'doomed'`)
		})
	}
	var mu sync.Mutex
	race(n, l.db, doomed, func(i int, db *postgres.DB) error {
		err := knots[chosen[i]].tie(context.Background(), l, db, numbers[i])
		if core.CodeOf(err) == core.Internal {
			mu.Lock()
			defer mu.Unlock()
			l.t.Errorf("%s: %v", knots[chosen[i]].name, err)
		}
		return err
	})
	killing.Wait()
	return n
}

// holds is what must hold for the session, however it came.
func (l *tangle) holds() {
	l.t.Helper()
	told := func() string { return l.history(l.s.ID) }
	require.LessOrEqual(l.t, value[int](l.world, `
		select count(*) from session_offers where session_id = $1 and status = 'accepted' and rerouted_at is null`, l.s.ID), 1, told())
	require.Zero(l.t, value[int](l.world, `
		select count(*) from (select mitra_id from chat_sessions where status in ('pending_payment', 'active') group by mitra_id having count(*) > 1) over`), told())
	steps := strings.Fields(told())
	from := chat.Status("")
	for _, step := range steps {
		to := chat.Status(step[:strings.IndexByte(step, ':')])
		require.True(l.t, from == "" || from == to && to.Live() || chat.May(from, to), "%s to %s: %s", from, to, steps)
		from = to
	}
	status, _ := l.session(l.s.ID)
	require.Equal(l.t, string(from), status)
}

// named adds the name that a connection is known by.
func named(url, application string) string {
	if strings.Contains(url, "?") {
		return url + "&application_name=" + application
	}
	return url + "?application_name=" + application
}
