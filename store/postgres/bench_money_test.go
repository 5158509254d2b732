package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// instant is a vendor in memory that answers at once, and whose webhooks are checkouts as JSON.
type instant struct{}

func (instant) Name() string { return "instant" }

func (instant) Open(_ context.Context, i payment.Invoice) (payment.Checkout, error) {
	return payment.Checkout{
		ID: vendorSession(i.Reference), Reference: i.Reference, State: payment.Active, URL: "https://pay.test/", ExpiresAt: i.ExpiresAt,
		Amount: i.Amount, Currency: payment.Currency,
	}, nil
}

func (instant) Look(_ context.Context, id string) (payment.Checkout, error) {
	return payment.Checkout{ID: id, State: payment.Active}, nil
}

func (instant) Cancel(_ context.Context, id string) (payment.Checkout, error) {
	return payment.Checkout{ID: id, State: payment.SessionCanceled}, nil
}

func (instant) Refund(context.Context, payment.RefundOrder) (payment.RefundState, error) {
	return payment.RefundState{ID: "rfd-1"}, nil
}

func (instant) Authentic(string) bool { return true }

func (instant) Read(body []byte) (n payment.Notice, err error) {
	n.Event = "completed"
	return n, json.Unmarshal(body, &n.Checkout)
}

// paidLives runs whole paid sessions on one instance, with all that runs beside them: outbox, deadlines' query, vendor's work.
type paidLives struct {
	b        *testing.B
	db       *postgres.DB
	room     *payment.Service
	pack     core.PackageID
	payables sync.Map // session id to chan core.PaymentID
}

// BenchmarkPaidLifecycle is a whole paid session: request with five offers, their receipts, accept, the invoice opened by the worker
// and paid by a webhook, end. Several run at once, each with mitras of its own. Beside the time it reports what one costs
// Postgres.
func BenchmarkPaidLifecycle(b *testing.B) {
	counter := &counting{}
	url := pgtest.URL(b)
	db := pgtest.Open(b, url, postgres.Options{MaxConns: 16, Tracer: counter})
	l := &paidLives{b: b, db: db, pack: core.NewID[core.PackageID]()}
	pgtest.Exec(b, url, `insert into session_packages (id, name, duration_minutes, price) values ($1, 'P', 10, 25000)`, l.pack)
	pgtest.Exec(b, url, `insert into mitras (id, phone, display_name, mode, last_heartbeat_at, available_since, connection_epoch)
		select gen_random_uuid(), '+628' || 100000000 + n, 'M', 'online', now(), now(), 1 from generate_series(1, 5000) n`)
	truth := db.Payments()
	l.room = payment.NewService(instant{}, payment.Stores{Invoices: truth, Till: truth, Deliveries: truth, Payments: truth, Refunds: db.Refunds()},
		db.Settings().Current, core.SystemClock, slog.New(slog.DiscardHandler))
	db.OnCommit(l.committed)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { _ = l.room.Run(ctx) })
	running.Go(func() { _ = db.Outbox().Run(ctx, nowhere{}) })

	lives := make(chan []core.MitraID, 1000)
	mitras, err := db.Presence().FindAvailable(ctx, 5000, nil, time.Hour)
	require.NoError(b, err)
	for i := 0; i < len(mitras); i += 5 {
		lives <- mitras[i : i+5]
	}
	server := postmaster(b, url)
	before := server.cpu()
	counter.n.Store(0)
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			asked := <-lives
			if err := l.live(ctx, asked); err != nil {
				b.Error(err)
				return
			}
			lives <- asked
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(counter.n.Load())/float64(b.N)-1, "statements/op") // one makes the customer
	b.ReportMetric(float64((server.cpu()-before).Microseconds())/float64(b.N), "postgres-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lives/s")
}

// committed hands addresses to pay at to whoever waits for them.
func (l *paidLives) committed(events []core.Event, _ []core.MitraID) {
	for _, e := range events {
		var s chat.Session
		if e.Kind != core.SessionUpdated || json.Unmarshal(e.Body, &s) != nil || s.Payment == nil || s.Payment.Status != "open" {
			continue
		}
		if waiting, ok := l.payables.Load(s.ID); ok {
			select {
			case waiting.(chan core.PaymentID) <- s.Payment.ID:
			default:
			}
		}
	}
}

func (l *paidLives) live(ctx context.Context, mitras []core.MitraID) error {
	customer, pairings := core.NewID[core.CustomerID](), l.db.Pairing()
	if err := l.db.AddCustomer(ctx, customer); err != nil {
		return err
	}
	s, err := pairings.Request(ctx, pairing.Request{CustomerID: customer, Key: "k", PackageID: l.pack}, mitras)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	payable := make(chan core.PaymentID, 1)
	l.payables.Store(s.ID, payable)
	defer l.payables.Delete(s.ID)
	offers, err := l.db.OffersOf(ctx, s.ID)
	if err != nil {
		return err
	}
	var apps sync.WaitGroup
	for mitra, offer := range offers {
		apps.Go(func() { _ = pairings.Received(ctx, offer, mitra) })
	}
	apps.Wait()
	if s, err = pairings.Accept(ctx, offers[mitras[0]], mitras[0], 1); err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	l.room.Wake()
	id := <-payable
	body, err := json.Marshal(payment.Checkout{
		ID: vendorSession(id), Reference: id, State: payment.Completed, Amount: 25_000, Currency: payment.Currency, Charge: "py-1",
	})
	if err != nil {
		return err
	}
	if outcome, err := l.room.Deliver(ctx, body, ""); err != nil || outcome != payment.Started {
		return fmt.Errorf("paid: %s %w", outcome, err)
	}
	if _, err = l.db.Chat().End(ctx, s.ID, as(core.Customer, customer), ""); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}

// nowhere is a bus without listeners.
type nowhere struct{}

func (nowhere) Publish(context.Context, []core.Event) error { return nil }

func (nowhere) Live() bool { return true }

// counting counts statements, but for BEGIN and COMMIT and what tests ask.
type counting struct{ n atomic.Int64 }

func (c *counting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	switch strings.ToLower(data.SQL) {
	case "begin", "commit", "rollback", "-- ping":
	default:
		if !strings.HasPrefix(data.SQL, "-- of a test") {
			c.n.Add(1)
		}
	}
	return ctx
}

func (*counting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// process is a server whose backends' time is counted.
type process struct{ pid int }

func postmaster(b *testing.B, url string) process {
	backend := pgtest.Value[int](b, url, `select pg_backend_pid()`)
	fields := stat(backend)
	if len(fields) < 2 { // gone already, or no /proc: then it is the parent of any other
		backend = pgtest.Value[int](b, url, `select pid from pg_stat_activity where backend_type = 'checkpointer'`)
		fields = stat(backend)
	}
	if len(fields) < 2 {
		return process{}
	}
	parent, _ := strconv.Atoi(fields[1])
	return process{parent}
}

// cpu is what all its children have used so far; 0 where that cannot be seen.
func (p process) cpu() (all time.Duration) {
	if p.pid == 0 {
		return 0
	}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if f := stat(pid); len(f) > 12 && f[1] == strconv.Itoa(p.pid) {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			all += time.Duration(user+system) * 10 * time.Millisecond
		}
	}
	return all
}

// stat gives the fields of /proc/pid/stat behind the name.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)
}
