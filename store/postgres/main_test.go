package postgres_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // many of them mostly wait, for vendors and locks
	}
	code := pgtest.Main(m)
	if err := goleak.Find(); code == 0 && err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// world is a database of its own with the store on it, and SQL past the store for fixtures and for moving deadlines.
type world struct {
	t    *testing.T
	url  string
	db   *postgres.DB
	sql  *pgxpool.Pool
	free core.PackageID
	paid core.PackageID
	log  *statements
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, url: pgtest.URL(t), log: &statements{}}
	w.db = pgtest.Open(t, w.url, postgres.Options{Tracer: w.log})
	cfg, err := pgxpool.ParseConfig(w.url)
	require.NoError(t, err)
	cfg.MaxConns = 2
	w.sql, err = pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(w.sql.Close)
	w.free, w.paid = w.sells(0), w.sells(25_000)
	return w
}

// second is another instance on the same database.
func (w *world) second() *postgres.DB { return pgtest.Open(w.t, w.url, postgres.Options{}) }

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.sql.Exec(context.Background(), sql, args...)
	require.NoError(w.t, err, sql)
}

func value[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	require.NoError(w.t, w.sql.QueryRow(context.Background(), sql, args...).Scan(&v), sql)
	return v
}

func (w *world) set(key string, v any) {
	w.t.Helper()
	require.NoError(w.t, w.db.Settings().Put(w.t.Context(), key, v, core.OperatorID{}))
}

func (w *world) sells(price int64) core.PackageID {
	id := core.NewID[core.PackageID]()
	w.exec(`insert into session_packages (id, name, duration_minutes, price) values ($1, 'P', 10, $2)`, id, price)
	return id
}

func (w *world) customer() core.CustomerID {
	id := core.NewID[core.CustomerID]()
	w.exec(`insert into customers (id, display_name) values ($1, 'Sri')`, id)
	return id
}

// mitra makes one who is online with a fresh heartbeat and connection epoch 1.
func (w *world) mitra() core.MitraID {
	id := core.NewID[core.MitraID]()
	w.exec(`insert into mitras (id, phone, display_name, mode, last_heartbeat_at, available_since, connection_epoch)
		values ($1, '+62' || (8000000000 + floor(random() * 1000000000)::bigint), 'Ayu', 'online', now(), now(), 1)`, id)
	return id
}

func (w *world) mitras(n int) (ids []core.MitraID) {
	for range n {
		ids = append(ids, w.mitra())
	}
	return ids
}

// asks is a request that must succeed, by a new customer.
func (w *world) asks(pack core.PackageID, candidates ...core.MitraID) chat.Session {
	w.t.Helper()
	s, err := w.db.Pairing().Request(w.t.Context(), pairing.Request{CustomerID: w.customer(), Key: "k", PackageID: pack}, candidates)
	require.NoError(w.t, err)
	return s
}

// offer is the id of the offer of a session to a mitra.
func (w *world) offer(s chat.Session, m core.MitraID) core.OfferID {
	w.t.Helper()
	return value[core.OfferID](w, `select id from session_offers where session_id = $1 and mitra_id = $2`, s.ID, m)
}

func (w *world) offerStatus(s chat.Session, m core.MitraID) string {
	w.t.Helper()
	return value[string](w, `select status from session_offers where session_id = $1 and mitra_id = $2`, s.ID, m)
}

// accepts is an accept that must succeed.
func (w *world) accepts(s chat.Session, m core.MitraID) chat.Session {
	w.t.Helper()
	s, err := w.db.Pairing().Accept(w.t.Context(), w.offer(s, m), m, 1)
	require.NoError(w.t, err)
	return s
}

// starts is a free session that a new mitra holds.
func (w *world) starts() (chat.Session, core.MitraID) {
	w.t.Helper()
	m := w.mitra()
	return w.accepts(w.asks(w.free, m), m), m
}

func (w *world) session(id core.SessionID) (status, reason string) {
	w.t.Helper()
	require.NoError(w.t, w.sql.QueryRow(context.Background(), `select status, coalesce(end_reason, '') from chat_sessions where id = $1`, id).Scan(&status, &reason))
	return status, reason
}

func (w *world) mode(m core.MitraID) string {
	w.t.Helper()
	return value[string](w, `select mode from mitras where id = $1`, m)
}

// events are the outbox's rows of a kind for a user, oldest first.
func events[T any, U ~[16]byte](w *world, kind core.EventKind, to U) (bodies []T) {
	w.t.Helper()
	rows, err := w.sql.Query(context.Background(), `select body::text from event_outbox where kind = $1 and to_user = $2 order by id`, string(kind), [16]byte(to))
	require.NoError(w.t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	for _, text := range texts {
		var body T
		require.NoError(w.t, json.Unmarshal([]byte(text), &body))
		bodies = append(bodies, body)
	}
	return bodies
}

// history is a session's path through its statuses.
func (w *world) history(id core.SessionID) string {
	w.t.Helper()
	return value[string](w, `select string_agg(to_status || ':' || actor_type || ':' || reason, ' ' order by id) from session_events where session_id = $1`, id)
}

func code(t *testing.T, err error, want core.Code) {
	t.Helper()
	require.Equal(t, want, core.CodeOf(err), "%v", err)
}

func as(kind core.UserType, id [16]byte) core.Principal {
	return core.Principal{Type: kind, ID: core.UserID(id)}
}

func connect(w *world, m core.MitraID) presence.Mitra {
	w.t.Helper()
	got, err := w.db.Presence().Connect(w.t.Context(), m)
	require.NoError(w.t, err)
	return got
}

// statements records what a pool was asked, but for BEGIN, COMMIT and ROLLBACK.
type statements struct {
	mu  sync.Mutex
	all []string
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	switch strings.ToLower(data.SQL) {
	case "begin", "commit", "rollback", "-- ping":
		return ctx
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, data.SQL)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// take gives what was recorded since the last take.
func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.all)
	s.all = nil
	return all
}

// eventually polls until ok: for effects of goroutines of the store that signal nothing.
func eventually(t *testing.T, d time.Duration, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, d, 5*time.Millisecond, what)
}
