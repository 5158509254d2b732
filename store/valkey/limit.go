package valkey

import (
	"context"
	_ "embed" // the script
	"strconv"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

//go:embed lua/limit.lua
var limitSource string

var limitScript = link.NewScript(limitSource)

// Limits counts requests for all instances together, as gateway/rest wants it.
type Limits struct{ *Client }

// Limits is the client as a counter of requests.
func (c *Client) Limits() Limits { return Limits{c} }

// Take uses one of the perMinute requests of a key, or tells how long to wait for the next. An error, at once while the breaker is
// open, means that nothing was counted.
func (l Limits) Take(ctx context.Context, key string, perMinute int) (wait time.Duration, err error) {
	err = l.link.Call(ctx, "limit", func(ctx context.Context, conn driver.Client) error {
		call := link.ScriptCall{Keys: []string{l.keys.limit(key)}, Args: []string{strconv.Itoa(perMinute)}}
		ms, err := limitScript.Run(ctx, conn, call)[0].AsInt64()
		wait = time.Duration(ms) * time.Millisecond
		return err
	})
	return wait, err
}

func (k *keys) limit(key string) string { return k.prefix + "limit:" + key }
