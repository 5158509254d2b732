package valkey

import (
	"log/slog"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/valkey/bus"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// Client is this instance's part in Valkey. All methods may be called from any goroutine.
type Client struct {
	link  *link.Link
	bus   *bus.Bus
	keys  keys
	owner string // names this instance in leases, sockets and the list of instances
}

// Stats counts since the start.
type Stats struct {
	link.Stats
	Bus bus.Stats
}

// Open makes a client of a URL in one of the forms that package link describes. clock is this machine's. A Valkey that does not answer is
// no error: calls fail with presence.ErrDown until Pulse reaches it. A URL that cannot be read, and a cluster without a hash tag in the
// prefix, are.
func Open(url, prefix string, clock core.Clock, log *slog.Logger) (*Client, error) {
	l, err := link.Open(url, prefix, clock, log)
	if err != nil {
		return nil, err
	}
	return &Client{
		link: l, bus: bus.New(l, prefix, log), keys: newKeys(prefix), owner: core.NewID[core.ConnID]().String(),
	}, nil
}

// Close ends the connections. Nothing may be called after it.
func (c *Client) Close() { c.link.Close() }

// Bus is the event bus.
func (c *Client) Bus() *bus.Bus { return c.bus }

// Mirror is the client as core/presence sees it.
func (c *Client) Mirror(stale, grace time.Duration) *Mirror {
	return &Mirror{Client: c, stale: stale, grace: grace}
}

// Now is Valkey's clock as far as this instance knows it: the cluster's clock (a core.Clock). Before the first Pulse it is
// our own.
func (c *Client) Now() time.Time { return c.link.Now() }

// Stats reads the counters.
func (c *Client) Stats() Stats { return Stats{Stats: c.link.Stats(), Bus: c.bus.Stats()} }
