// Package pgtest gives every test a Postgres database of its own: a copy of a migrated template on one private server a
// test binary, found as package store/local says.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestIt(t *testing.T) {
//		t.Parallel()
//		db := pgtest.Open(t, pgtest.URL(t), postgres.Options{})
//		…
//	}
//
// The server starts with the first database that is asked for and is stopped by Main. Nothing in it is durable. When
// DATABASE_URL names an external server, its user must be allowed to create databases; they are dropped all the same.
package pgtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/store/local"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// startTimeout covers fetching the packages on a machine that has none.
const startTimeout = 5 * time.Minute

// server is the one of this test binary. It is made by the first test that needs it and stopped by Main.
var server struct {
	once     sync.Once
	process  *local.Server
	template string
	err      error
}

// creating takes turns: two copies of one template at once fail when one of them looks like a visitor to the other.
var creating sync.Mutex

// Main runs the tests and stops the server. For TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	Stop()
	return code
}

// Stop ends the server, if any test started it. For a TestMain that does more than Main; no test may run any more.
func Stop() {
	if server.process == nil {
		return
	}
	if server.template != "" {
		if err := admin(context.Background(), "drop database if exists "+server.template+" with (force)"); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
		}
	}
	server.process.Stop()
}

// Open opens a handle on a database; a second one is another instance, so to speak. Closed when the test has ended.
func Open(t testing.TB, url string, o postgres.Options) *postgres.DB {
	t.Helper()
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	db, err := postgres.Open(context.Background(), url, o)
	if err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	t.Cleanup(db.Close)
	return db
}

// URL makes a database, migrated and empty, that is dropped when the test has ended.
func URL(t testing.TB) string {
	t.Helper()
	server.once.Do(start)
	if server.err != nil {
		t.Fatalf("no Postgres to test with: %v", server.err)
	}
	name := freshName("test")
	creating.Lock()
	err := admin(context.Background(), "create database "+name+" template "+server.template)
	creating.Unlock()
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := admin(context.Background(), "drop database if exists "+name+" with (force)"); err != nil {
			t.Logf("drop %s: %v", name, err)
		}
	})
	return urlOf(name)
}

// Exec runs SQL past the package under test: fixtures, and deadlines that are moved instead of waited for.
func Exec(t testing.TB, url, sql string, args ...any) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Value reads one value of one row.
func Value[T any](t testing.TB, url, sql string, args ...any) T {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	var value T
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return conn
}

func start() {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	server.process, server.err = local.Postgres(ctx, local.Options{Progress: func(line string) { fmt.Fprintln(os.Stderr, "pgtest:", line) }})
	if server.err != nil {
		return
	}
	name := freshName("template")
	if server.err = admin(ctx, "create database "+name); server.err != nil {
		return
	}
	server.template = name
	server.err = postgres.Migrate(ctx, urlOf(name), slog.New(slog.DiscardHandler))
}

// admin runs one statement that belongs to no database of a test.
func admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, server.process.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func urlOf(database string) string {
	u, err := url.Parse(server.process.URL())
	if err != nil {
		panic(fmt.Sprintf("pgtest: the server's URL: %v", err))
	}
	u.Path = "/" + database
	return u.String()
}

func freshName(kind string) string {
	id := uuid.New()
	return fmt.Sprintf("bestie_%s_%x", kind, id[:8])
}
