package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
)

// callTimeout bounds every call, the wait for a connection and retries included (valkey.md, "Clocks and time-outs").
const callTimeout = 2 * time.Second

// abandonedAfter is when the server gives up a transaction whose instance has gone silent in the middle of it: frozen, or cut off
// without a word. Its locks would keep everybody else from the same sessions and mitras until TCP notices. None of ours
// waits so long between two statements.
const abandonedAfter = callTimeout + callTimeout/2

// How long the first call of a batch waits for others.
const (
	connectWindow = 5 * time.Millisecond
	readWindow    = time.Millisecond
	receiptWindow = 3 * time.Millisecond
)

// Options are what Open needs beside the address. Zero values are good.
type Options struct {
	MaxConns int             // connections of the pool; 0: 16
	Clock    core.Clock      // this machine's; nil: core.SystemClock
	Log      *slog.Logger    // nil: discarded
	Tracer   pgx.QueryTracer // sees every statement; for tests and profiles
}

// DB is a pool of connections and everything that is asked through it. Safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	log      *slog.Logger
	clock    core.Clock   // ours, right or wrong
	ahead    atomic.Int64 // Postgres's clock less ours, ns
	settings *Settings
	outbox   *Outbox
	connects *batcher[core.MitraID, connected]
	lives    *batcher[core.Principal, []chat.Session]
	opens    *batcher[core.MitraID, []pairing.Offer]
	receipts *batcher[delivered, struct{}]
	doubts   doubts
	counters counters

	mu       sync.Mutex
	onCommit []func([]core.Event, []core.MitraID)
}

// Open makes the pool. It does not connect yet, so an instance starts while Postgres is away: a malformed address is its
// only error. Close it when everything that uses it has ended.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	cfg.MaxConns = int32(o.MaxConns)
	if o.MaxConns <= 0 {
		cfg.MaxConns = 16
	}
	cfg.ConnConfig.ConnectTimeout = callTimeout
	cfg.ConnConfig.Tracer = &line{queries: o.Tracer}
	// A call that runs out of time tells the server so: without that, its statement would go on waiting for locks there.
	cfg.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 100 * time.Millisecond}
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		register(conn.TypeMap())
		_, err := conn.Exec(ctx, fmt.Sprintf("set idle_in_transaction_session_timeout = %d", abandonedAfter.Milliseconds()))
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	db := &DB{pool: pool, log: o.Log, clock: o.Clock}
	if db.clock == nil {
		db.clock = core.SystemClock
	}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	db.settings, db.outbox = newSettings(db), newOutbox(db)
	db.connects = newBatcher(connectWindow, db.connectAll)
	db.lives = newBatcher(readWindow, db.readLive)
	db.opens = newBatcher(readWindow, db.readOpen)
	db.receipts = newBatcher(receiptWindow, db.noteReceipts)
	return db, nil
}

// register teaches a connection our ids and to read times as UTC.
func register(types *pgtype.Map) {
	types.RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
	types.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{planID}, types.TryWrapEncodePlanFuncs...)
}

// planID has an id of ours sent as its bytes: pgx would ask it for its text and parse that.
func planID(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	id, ok := value.(interface{ Bytes() [16]byte })
	if !ok {
		return nil, nil, false
	}
	return &idPlan{}, uuidOf(id.Bytes()), true
}

type idPlan struct{ next pgtype.EncodePlan }

// SetNext implements pgtype.WrappedEncodePlanNextSetter.
func (p *idPlan) SetNext(next pgtype.EncodePlan) { p.next = next }

// Encode implements pgtype.EncodePlan.
func (p *idPlan) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(uuidOf(value.(interface{ Bytes() [16]byte }).Bytes()), buf)
}

// uuidOf is NULL of the zero id.
func uuidOf(id [16]byte) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != [16]byte{}} }

// uuids is an array parameter of ids, for calls with many: of a slice of ours, pgx takes each id out by reflection. None is NULL.
func uuids[T ~[16]byte](ids []T) pgtype.FlatArray[pgtype.UUID] {
	if len(ids) == 0 {
		return nil
	}
	array := make(pgtype.FlatArray[pgtype.UUID], len(ids))
	for i, id := range ids {
		array[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	return array
}

// Close ends the pool and waits for connections that are in use.
func (db *DB) Close() {
	db.connects.wait()
	db.lives.wait()
	db.opens.wait()
	db.receipts.wait()
	db.pool.Close()
}

// Ping asks whether Postgres answers. UNAVAILABLE when not.
func (db *DB) Ping(ctx context.Context) error {
	return db.within(ctx, "ping", func(ctx context.Context) error { return db.pool.Ping(ctx) })
}

// OnCommit has f called after each commit that emitted events or touched mitras, in the goroutine of the use case, before
// its caller hears of it; also, without events, for mitras of whose commit it is not known whether it happened. f must not
// block nor keep the slices' backing arrays for writing. To be called before the first use case, several times if need be.
func (db *DB) OnCommit(f func(events []core.Event, mitras []core.MitraID)) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.onCommit = append(db.onCommit, f)
}

func (db *DB) committed(t *tx) {
	if len(t.events) == 0 && len(t.mitras) == 0 {
		return
	}
	db.outbox.add(t.events)
	db.tell(t.events, t.mitras)
}

func (db *DB) tell(events []core.Event, mitras []core.MitraID) {
	db.mu.Lock()
	listeners := db.onCommit
	db.mu.Unlock()
	for _, f := range listeners {
		f(events, mitras)
	}
}

// within runs reads and single statements that need no transaction, bounded in time. op names the use case in the log.
func (db *DB) within(ctx context.Context, op string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return db.classify(op, f(ctx))
}

// Stats are counters since Open, and the pool's state.
type Stats struct {
	Transactions uint64 // committed
	Retries      uint64 // transactions begun anew: deadlocks, serialisation failures, lost races
	Unavailable  uint64 // calls that failed because Postgres was away, full or slow
	Failures     uint64 // calls that failed by a fault of ours
	Published    uint64 // events given to the bus
	TakenOver    uint64 // events of other instances among them
	Unpublished  uint64 // events that the bus refused; they are tried again
	ConnsInUse   uint64
	ConnsOpen    uint64
}

type counters struct {
	transactions, retries, unavailable, failures, published, takenOver, unpublished atomic.Uint64
}

// Stats reads the counters.
func (db *DB) Stats() Stats {
	pool := db.pool.Stat()
	return Stats{
		Transactions: db.counters.transactions.Load(),
		Retries:      db.counters.retries.Load(),
		Unavailable:  db.counters.unavailable.Load(),
		Failures:     db.counters.failures.Load(),
		Published:    db.counters.published.Load(),
		TakenOver:    db.counters.takenOver.Load(),
		Unpublished:  db.counters.unpublished.Load(),
		ConnsInUse:   uint64(pool.AcquiredConns()),
		ConnsOpen:    uint64(pool.TotalConns()),
	}
}
