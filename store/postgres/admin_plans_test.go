package postgres_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// years fills what operators look through: nearly all of it is history.
const years = `
	insert into customers (id, display_name, phone, created_at)
		select gen_random_uuid(), case when n % 3 = 0 then 'Customer ' || n else '' end, case when n % 2 = 0 then '+628' || 100000000 + n end,
			now() - n * interval '1 minute'
		from generate_series(1, 40000) n;
	insert into mitras (id, phone, display_name, mode, is_active, last_heartbeat_at, created_at)
		select gen_random_uuid(), '+628' || 100000000 + n, 'Mitra ' || n, case when n % 4 = 0 then 'online' else 'offline' end, n % 50 <> 1, now(),
			now() - n * interval '1 minute'
		from generate_series(1, 40000) n;
	insert into chat_sessions (id, customer_id, mitra_id, package_id, status, duration_minutes, price, search_deadline_at, end_reason, ended_at, created_at)
		select gen_random_uuid(), c.id, case when n % 20 <> 0 then m.id end, p.id, case when n % 20 = 0 then 'unmatched' else 'ended' end, 10, 25000,
			now(), 'expired', now(), now() - n * interval '1 minute'
		from (select id, row_number() over () as n from customers) c join (select id, row_number() over () as n from mitras) m using (n),
			(select id from session_packages limit 1) p;
	insert into chat_sessions (id, customer_id, mitra_id, package_id, status, duration_minutes, price, search_deadline_at, started_at, warn_at, ends_at)
		select gen_random_uuid(), c.id, m.id, p.id, 'active', 10, 25000, now(), now(), now() + interval '9 minutes', now() + interval '10 minutes'
		from (select id, row_number() over () as n from customers limit 10000) c
			join (select id, row_number() over () as n from mitras where mode = 'online') m using (n), (select id from session_packages limit 1) p;
	insert into payments (id, session_id, customer_id, amount, status, paid_at)
		select gen_random_uuid(), id, customer_id, 25000, 'paid', now() - row_number() over () * interval '8 seconds' -- 10,800 a day
		from chat_sessions where status = 'ended';
	insert into mitra_status_logs (mitra_id, mode, reason) select id, 'online', 'self' from mitras, generate_series(1, 2);
	insert into control_center_users (id, email, password_hash, role) select gen_random_uuid(), 'op' || n || '@halo.test', 'x', 'operator' from generate_series(1, 5) n;
	insert into audit_logs (operator_id, action, subject_type, subject_id)
		select u.id, 'mitra.change', 'mitra', m.id from (select id from mitras limit 8000) m, control_center_users u;
	analyze`

var scans = regexp.MustCompile(`Seq Scan on (customers|mitras|chat_sessions|payments|audit_logs|mitra_status_logs)\b`)

// mostRows is what a step of a page's plan may read: a page of 51 and those rows that another filter throws away. A sort of a whole list
// would read it whole.
const mostRows = 1500

// A page costs what it holds, not what the list holds: it is read off an index, in the index's order.
func TestAdminLists_ReadOffTheirIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.PgConn().Exec(t.Context(), years).ReadAll()
	require.NoError(t, err)
	mitra := value[core.MitraID](w, `select mitra_id from chat_sessions where status = 'ended' limit 1`)
	customer := value[core.CustomerID](w, `select customer_id from chat_sessions where mitra_id = $1 limit 1`, mitra)
	operator := value[core.OperatorID](w, `select id from control_center_users limit 1`)

	for name, list := range postgres.ListStatements(mitra, customer, operator) {
		rows, err := conn.Query(t.Context(), "explain (analyze, costs off, timing off) "+list.SQL, append([]any{pgx.QueryExecModeCacheDescribe}, list.Args...)...)
		require.NoError(t, err, name)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, name)
		plan := strings.Join(lines, "\n")
		require.False(t, scans.MatchString(plan), "%s\n%s", name, plan)
		require.Less(t, widest(plan), mostRows, "%s\n%s", name, plan)
	}
	dashboardIsCheap(t, conn)
}

var (
	stepRows = regexp.MustCompile(`actual rows=(\d+) loops=(\d+)`)
	byFilter = regexp.MustCompile(`Rows Removed by Filter: (\d+)`)
)

// widest is the most rows that a step of a plan gave or threw away.
func widest(plan string) (n int) {
	number := func(text string) int { i, _ := strconv.Atoi(text); return i }
	for _, match := range stepRows.FindAllStringSubmatch(plan, -1) {
		n = max(n, number(match[1])*number(match[2]))
	}
	for _, match := range byFilter.FindAllStringSubmatch(plan, -1) {
		n = max(n, number(match[1]))
	}
	return n
}

// dashboardBlocks is what the dashboard may look at, at most: of as many rows it takes Postgres 2.4 ms of the 5 that a poll may cost.
const dashboardBlocks = 400

// dashboardIsCheap holds the dashboard's statement to the live sessions, ten thousand of them, and to today's part of the payments, as many.
func dashboardIsCheap(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.Exec(t.Context(), "vacuum analyze payments, chat_sessions")
	require.NoError(t, err)
	var report []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	var text []byte
	require.NoError(t, conn.QueryRow(t.Context(), "explain (analyze, buffers, timing off, format json) "+postgres.WorkSQL, time.Now().Add(-24*time.Hour)).Scan(&text))
	require.NoError(t, json.Unmarshal(text, &report))
	require.Contains(t, string(text), `"payments_paid"`)
	require.NotContains(t, string(text), "Seq Scan")
	require.Less(t, report[0].Plan.Hit+report[0].Plan.Read, dashboardBlocks)
}
