package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// CallTimeout bounds every call, unless Patience says otherwise.
const CallTimeout = 250 * time.Millisecond

// Link is this instance's connections to Valkey. All methods may be called from any goroutine.
type Link struct {
	option driver.ClientOption
	prefix string
	clock  core.Clock // ours, right or wrong
	log    *slog.Logger
	limit  time.Duration // of a call

	breaker                 breaker
	offset                  atomic.Int64 // Valkey's clock less ours, ns
	calls, failures, opened atomic.Uint64

	connecting sync.Mutex // held by whoever makes conn
	conn       atomic.Pointer[driver.Client]
}

// Stats counts since the start.
type Stats struct {
	Calls         uint64 // round trips tried
	Failures      uint64 // of them, those that Valkey did not answer in time, or not as one that can serve
	BreakerOpened uint64
}

// Open makes a link of a URL (see the package comment). clock is this machine's. A Valkey that does not answer is no error: calls fail with
// presence.ErrDown until Probe reaches it. A URL that cannot be read, and a cluster with a prefix that CheckPrefix refuses, are.
func Open(url, prefix string, clock core.Clock, log *slog.Logger) (*Link, error) {
	option, err := parse(url)
	if err != nil {
		return nil, err
	}
	l := &Link{option: option, prefix: prefix, clock: clock, log: log, limit: CallTimeout}
	if err := l.connect(); err != nil {
		if errors.Is(err, errPrefix) {
			return nil, err
		}
		l.breaker.open()
		log.Warn("valkey does not answer; going on without it", "error", err)
	}
	return l, nil
}

// connect makes the connection that valkey-go keeps up from then on; it can only be made while Valkey answers. It takes
// connTimeout twice at most for each address.
func (l *Link) connect() error {
	if l.conn.Load() != nil {
		return nil
	}
	l.connecting.Lock()
	defer l.connecting.Unlock()
	if l.conn.Load() != nil {
		return nil
	}
	conn, err := l.dial(l.option)
	if err != nil {
		return err
	}
	l.warnOfEviction(conn)
	l.conn.Store(&conn)
	return nil
}

// warnOfEviction tells an operator of a Valkey that throws any key away when its memory is full: half a mirror answers wrongly and
// without an error. Where the policy cannot be seen nothing is said.
func (l *Link) warnOfEviction(conn driver.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), CallTimeout)
	defer cancel()
	info, err := conn.Do(ctx, conn.B().Info().Section("memory").Build()).ToString()
	if err == nil && strings.Contains(info, "maxmemory_policy:allkeys") {
		l.log.Warn("valkey evicts keys that do not expire when its memory is full; set maxmemory-policy to noeviction")
	}
}

func (l *Link) dial(option driver.ClientOption) (driver.Client, error) {
	conn, err := driver.NewClient(option)
	if err != nil {
		return nil, fmt.Errorf("valkey connect: %w", err)
	}
	if conn.Mode() == driver.ClientModeCluster {
		if err := CheckPrefix(l.prefix); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// Subscriber gives a connection of its own to receive with; the caller closes it. The driver does not retry on it: that would hide
// that a subscription was lost.
func (l *Link) Subscriber() (driver.Client, error) {
	option := l.option
	option.DisableRetry = true
	option.PipelineMultiplex = -1 // one connection a node
	return l.dial(option)
}

// Patience gives every call another time than CallTimeout: for tests of what Valkey answers, on a machine that is too busy to
// answer in time. It is to be called before anything else.
func (l *Link) Patience(limit time.Duration) { l.limit = limit }

// Close ends the connections. Nothing may be called after it.
func (l *Link) Close() {
	if conn := l.conn.Load(); conn != nil {
		(*conn).Close()
	}
}

// Up tells whether the breaker is closed, without looking.
func (l *Link) Up() bool { return l.conn.Load() != nil && l.breaker.closed() }

// Now is Valkey's clock as far as this instance knows it: the cluster's clock (a core.Clock). Before the first Probe it is
// our own.
func (l *Link) Now() time.Time { return l.clock().Add(time.Duration(l.offset.Load())) }

// Stats reads the counters.
func (l *Link) Stats() Stats {
	return Stats{Calls: l.calls.Load(), Failures: l.failures.Load(), BreakerOpened: l.opened.Load()}
}

// Call runs one round trip under the time-out and the breaker: presence.ErrDown while it is open. A nil answer is the caller's to judge.
func (l *Link) Call(ctx context.Context, what string, do func(ctx context.Context, conn driver.Client) error) error {
	conn := l.conn.Load()
	if conn == nil || !l.breaker.closed() {
		return presence.ErrDown
	}
	return l.through(ctx, *conn, what, do)
}

// Probe is a Call that looks also while the breaker is open, and closes it when Valkey answers. It sends TIME, by which it measures
// Valkey's clock, and commands, which should write something, so that a Valkey that takes no writes does not look well; read gets
// their results.
func (l *Link) Probe(ctx context.Context, commands func(driver.Builder) []driver.Completed, read func([]driver.ValkeyResult) error) error {
	if err := l.connect(); err != nil {
		return err
	}
	return l.through(ctx, *l.conn.Load(), "probe", func(ctx context.Context, conn driver.Client) error {
		all := append(driver.Commands{conn.B().Time().Build()}, commands(conn.B())...)
		sent := l.clock()
		results := conn.DoMulti(ctx, all...)
		took := l.clock().Sub(sent)
		clock, err := results[0].AsIntSlice()
		if err != nil {
			return err
		}
		if len(clock) != 2 {
			return ErrShape
		}
		theirs := time.Unix(clock[0], clock[1]*int64(time.Microsecond))
		l.offset.Store(int64(theirs.Sub(sent.Add(took / 2).Round(0))))
		return read(results[1:])
	})
}

// through is Call without looking at the breaker first.
func (l *Link) through(ctx context.Context, conn driver.Client, what string, do func(ctx context.Context, conn driver.Client) error) error {
	limited, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	l.calls.Add(1)
	err := do(limited, conn)
	switch {
	case err == nil, Answered(err):
		l.breaker.succeeded()
	case ctx.Err() != nil: // the caller gave up: says nothing of Valkey
		return err
	default:
		l.failures.Add(1)
		if l.breaker.failed() {
			l.opened.Add(1)
			l.log.Warn("valkey's breaker is open", "call", what, "error", err)
		}
	}
	if err != nil {
		return fmt.Errorf("valkey %s: %w", what, err)
	}
	return nil
}

// unfit are answers of a Valkey that cannot serve now.
var unfit = []string{"TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "NOREPLICAS", "OOM", "MISCONF", "MOVED", "ASK"}

// Answered tells whether an error is the answer of a Valkey that is well.
func Answered(err error) bool {
	if errors.Is(err, presence.ErrUnseeded) || errors.Is(err, ErrShape) || errors.Is(err, driver.Nil) || driver.IsParseErr(err) {
		return true
	}
	var reply *driver.ValkeyError
	if !errors.As(err, &reply) {
		return false
	}
	for _, word := range unfit {
		if strings.HasPrefix(reply.Error(), word) {
			return false
		}
	}
	return true
}

// ErrShape is an answer that is not what the command gives.
var ErrShape = errors.New("an answer of an unexpected shape")

// IsWrongType tells whether a command failed because somebody put a value of another type under its key.
func IsWrongType(err error) bool {
	var reply *driver.ValkeyError
	return errors.As(err, &reply) && strings.Contains(reply.Error(), "WRONGTYPE")
}
