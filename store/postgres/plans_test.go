package postgres_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// crowd fills the tables as after some weeks: most rows are history, a few are live.
const crowd = `
	insert into customers (id) select gen_random_uuid() from generate_series(1, 5000);
	insert into mitras (id, phone, display_name, mode, last_heartbeat_at, available_since)
		select gen_random_uuid(), '+628' || 100000000 + n, 'M', case when n % 20 = 0 then 'online' else 'offline' end, now(), now()
		from generate_series(1, 5000) n;
	insert into chat_sessions (id, customer_id, mitra_id, package_id, status, duration_minutes, price, search_deadline_at, end_reason, ended_at)
		select gen_random_uuid(), c.id, m.id, p.id, 'ended', 10, 0, now(), 'expired', now()
		from (select id, row_number() over () as n from customers) c join (select id, row_number() over () as n from mitras) m using (n),
			(select id from session_packages limit 1) p;
	insert into chat_sessions (id, customer_id, package_id, status, duration_minutes, price, search_deadline_at, waiting)
		select gen_random_uuid(), c.id, p.id, 'searching', 10, 0, now() + interval '1 minute', true
		from (select id from customers limit 50) c, (select id from session_packages limit 1) p;
	insert into session_offers (id, session_id, mitra_id, wave, status, expires_at, closed_at)
		select gen_random_uuid(), id, mitra_id, 1, 'lost', now(), now() from chat_sessions where status = 'ended';
	insert into session_offers (id, session_id, mitra_id, wave, status, expires_at)
		select gen_random_uuid(), s.id, m.id, 1, 'offered', now() + interval '10 seconds'
		from (select id from chat_sessions where status = 'searching') s, (select id from mitras where mode = 'online' limit 3) m;
	insert into event_outbox (version, kind, to_user, body, created_at, published_at)
		select 1, 'session.updated', gen_random_uuid(), '{}', now() - n * interval '3 milliseconds', now() from generate_series(1, 5000) n;
	insert into payments (id, session_id, customer_id, amount, status, work_at)
		select gen_random_uuid(), id, customer_id, 1000, 'paid', null from chat_sessions where status = 'ended';
	insert into payment_receipts (provider, provider_id, payment_id, amount, credited) select 'fake', id::text, id, 1000, false from payments;
	insert into session_extensions (id, session_id, package_id, duration_minutes, price, status, closed_at)
		select gen_random_uuid(), id, package_id, 10, 1000, 'paid', now() from chat_sessions where status = 'ended';
	insert into customer_credits (customer_id, amount, balance, reason) select id, 1, 1, 'operator' from customers;
	insert into payment_webhooks (id, provider, body, outcome) select gen_random_uuid(), 'fake', '', 'ignored' from generate_series(1, 5000);
	insert into refunds (id, payment_id, amount, status, work_at, closed_at) select gen_random_uuid(), id, 1, 'succeeded', null, now() from payments;
	insert into device_tokens (token, user_type, user_id, platform)
		select 'token ' || id, 'mitra', id, 'android' from mitras;
	insert into pushes (kind, user_id, token, expires_at, due_at)
		select 'set_offline', id, 'token ' || id, now() + interval '1 hour', now() + interval '10 minutes' from mitras;
	analyze`

var seqScan = regexp.MustCompile(`Seq Scan on (customers|mitras|chat_sessions|session_offers|event_outbox|payments|device_tokens|pushes|` +
	`payment_receipts|session_extensions|customer_credits|payment_webhooks|refunds)\b`)

func TestPlans_HotStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.PgConn().Exec(t.Context(), crowd).ReadAll()
	require.NoError(t, err)

	for name, statement := range postgres.HotStatements(core.NewID[core.MitraID]()) {
		rows, err := conn.Query(t.Context(), "explain (costs off) "+statement[0].(string), statement[1:]...)
		require.NoError(t, err, name)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, name)
		plan := strings.Join(lines, "\n")
		require.False(t, seqScan.MatchString(plan), "%s\n%s", name, plan)
	}
}

// asked is what a pool was asked, with its parameters, each statement once.
type asked struct {
	mu  sync.Mutex
	all map[string][]any
}

func (a *asked) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch sql := strings.TrimSpace(data.SQL); {
	case len(sql) < len("select 1 from t"), strings.HasPrefix(sql, "--"), strings.HasPrefix(sql, "set "):
	default:
		a.all[sql] = data.Args
	}
	return ctx
}

func (*asked) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Not one statement of a paid session's life, with all that can come by the way, reads a table from one end to the other.
func TestPlans_EveryStatementOfALife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pgtest.Exec(t, w.url, crowd)
	w.exec(`update event_outbox set published_at = now() where published_at is null`)
	heard := &asked{all: map[string][]any{}}
	w.db = pgtest.Open(t, w.url, postgres.Options{Tracer: heard})
	payments := w.db.Payments()

	s, m := w.owes()
	require.NoError(t, w.db.Pairing().Received(t.Context(), w.offer(s, m), m))
	_, _, err := w.db.Chat().Due(t.Context(), 100)
	require.NoError(t, err)
	_, err = payments.Claim(t.Context(), 10)
	require.NoError(t, err)
	w.opens(s.Payment.ID)
	require.NoError(t, payments.Postpone(t.Context(), s.Payment.ID, time.Minute, ""))
	d := payment.Delivery{ID: core.NewID[payment.DeliveryID](), Provider: "fake", Body: []byte("{}")}
	require.NoError(t, payments.Keep(t.Context(), d))
	require.Equal(t, payment.Started, w.pays(s.Payment.ID, 25_000))
	asks, err := w.extends(s, w.paid, "more")
	require.NoError(t, err)
	require.Equal(t, payment.Extended, w.pays(asks.Payment.ID, 25_000))
	s = w.reroutes(s)
	w.wave(s, w.mitra())
	_, err = w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)

	one, m := w.runs()
	require.NoError(t, w.db.Chat().WarnEnding(t.Context(), one.ID))
	_, err = w.db.Chat().End(t.Context(), one.ID, as(core.Mitra, m), "")
	require.NoError(t, err)
	late, _ := w.owes()
	_, err = w.db.Pairing().Cancel(t.Context(), late.ID, late.CustomerID)
	require.NoError(t, err)
	require.Equal(t, payment.Credited, w.pays(late.Payment.ID, 25_000))
	require.NoError(t, payments.Rest(t.Context(), late.Payment.ID))
	_, err = w.db.Pairing().ExpireOffers(t.Context(), 100)
	require.NoError(t, err)

	require.Greater(t, len(heard.all), 25)
	for sql, args := range heard.all {
		rows, err := w.sql.Query(t.Context(), "explain (costs off) "+sql, args...)
		require.NoError(t, err, sql)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, sql)
		plan := strings.Join(lines, "\n")
		require.False(t, seqScan.MatchString(plan), "%s\n%s", sql, plan)
	}
}
