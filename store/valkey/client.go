package valkey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// CallTimeout bounds every call.
const CallTimeout = 250 * time.Millisecond

// connTimeout bounds dialling, and how long a connection may be stuck before it is given up.
const connTimeout = time.Second

// Client is this instance's way to Valkey. All methods may be called from any goroutine.
type Client struct {
	option driver.ClientOption
	keys   keys
	clock  core.Clock // ours, right or wrong
	owner  string     // names this instance in leases
	log    *slog.Logger

	breaker       breaker
	offset        atomic.Int64 // Valkey's clock less ours, ns
	subscriptions atomic.Uint64
	listening     atomic.Bool
	counters      counters

	connecting sync.Mutex // held by Pulse alone, while it makes conn
	conn       atomic.Pointer[driver.Client]
}

// Open makes a client of a URL: redis://, rediss://, valkey://, valkeys:// or unix://, with user, password, database and further
// addresses (?addr=, ?master_set=) in it. clock is this machine's. A Valkey that does not answer is no error: calls fail with
// presence.ErrDown until Pulse reaches it. A URL that cannot be read, and a cluster without a hash tag in the prefix, are.
func Open(url, prefix string, clock core.Clock, log *slog.Logger) (*Client, error) {
	option, err := driver.ParseURL(url)
	if err != nil {
		return nil, errors.New("valkey: VALKEY_URL cannot be read") // the cause would show the password
	}
	option.ConnWriteTimeout = connTimeout
	option.Dialer.Timeout = connTimeout
	option.DisableCache = true // nothing here is read twice
	c := &Client{option: option, keys: newKeys(prefix), clock: clock, owner: core.NewID[core.ConnID]().String(), log: log}
	if err := c.connect(); err != nil {
		if errors.Is(err, errPrefix) {
			return nil, err
		}
		c.breaker.open()
		log.Warn("valkey does not answer; going on without it", "error", err)
	}
	return c, nil
}

var errPrefix = errors.New("valkey: prefix")

// connect makes the connection that valkey-go keeps up from then on; it can only be made while Valkey answers. It takes
// connTimeout twice at most for each address.
func (c *Client) connect() error {
	if c.conn.Load() != nil {
		return nil
	}
	c.connecting.Lock()
	defer c.connecting.Unlock()
	if c.conn.Load() != nil {
		return nil
	}
	conn, err := driver.NewClient(c.option)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if conn.Mode() == driver.ClientModeCluster {
		if err := checkClusterPrefix(c.keys.prefix); err != nil {
			conn.Close()
			return fmt.Errorf("%w: %w", errPrefix, err)
		}
	}
	c.conn.Store(&conn)
	return nil
}

// Close ends the connections. Nothing may be called after it.
func (c *Client) Close() {
	if conn := c.conn.Load(); conn != nil {
		(*conn).Close()
	}
}

// Now is Valkey's clock as far as this instance knows it: the cluster's clock (a core.Clock). Before the first Pulse it is
// our own.
func (c *Client) Now() time.Time { return c.clock().Add(time.Duration(c.offset.Load())) }

// Mirror is the client as core/presence sees it.
func (c *Client) Mirror(stale, grace time.Duration) *Mirror {
	return &Mirror{Client: c, stale: stale, grace: grace}
}

// call runs one round trip under the time-out and the breaker. A nil answer is the caller's to judge.
func (c *Client) call(ctx context.Context, what string, do func(ctx context.Context, conn driver.Client) error) error {
	conn := c.conn.Load()
	if conn == nil || !c.breaker.closed() {
		return presence.ErrDown
	}
	return c.through(ctx, *conn, what, do)
}

// through is call without looking at the breaker first.
func (c *Client) through(ctx context.Context, conn driver.Client, what string, do func(ctx context.Context, conn driver.Client) error) error {
	limited, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	c.counters.calls.Add(1)
	err := do(limited, conn)
	switch {
	case err == nil, answered(err):
		c.breaker.succeeded()
	case ctx.Err() != nil: // the caller gave up: says nothing of Valkey
		return err
	default:
		c.counters.failures.Add(1)
		if c.breaker.failed() {
			c.counters.opened.Add(1)
			c.log.Warn("valkey's breaker is open", "call", what, "error", err)
		}
	}
	if err != nil {
		return fmt.Errorf("valkey %s: %w", what, err)
	}
	return nil
}

// answered tells whether an error is Valkey's own answer, so that Valkey is well; one that cannot serve now is not.
func answered(err error) bool {
	if errors.Is(err, presence.ErrUnseeded) || driver.IsParseErr(err) {
		return true
	}
	if errors.Is(err, driver.Nil) {
		return true
	}
	var reply *driver.ValkeyError
	return errors.As(err, &reply) && !reply.IsTryAgain() && !reply.IsClusterDown() && !reply.IsLoading()
}
