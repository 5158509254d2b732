package valkey

import (
	"context"
	"errors"
	"strconv"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// probeTTL is how long what a Pulse writes stays.
const probeTTL = 10 * time.Second

// Up implements presence.MirrorKeeper.
func (c *Client) Up() bool { return c.link.Up() }

// Pulse implements presence.MirrorKeeper. It writes too: a Valkey that takes no writes is not well.
func (c *Client) Pulse(ctx context.Context) (pulse presence.Pulse, err error) {
	commands := func(b driver.Builder) []driver.Completed {
		return []driver.Completed{
			b.Get().Key(c.keys.epoch).Build(),
			b.Set().Key(c.keys.probe).Value(c.owner).Px(probeTTL).Build(),
		}
	}
	err = c.link.Probe(ctx, commands, func(results []driver.ValkeyResult) (err error) {
		pulse.Epoch, err = results[0].ToString()
		if err != nil && !errors.Is(err, driver.Nil) && !link.IsWrongType(err) {
			return err
		}
		return results[1].Error()
	})
	pulse.Subscriptions = c.bus.Stats().Subscriptions
	return pulse, err
}

// Lease implements presence.MirrorKeeper.
func (c *Client) Lease(ctx context.Context, name string, ttl time.Duration) (bool, error) {
	return c.lease(ctx, name, c.owner, ttl, "take")
}

func (c *Client) lease(ctx context.Context, name, owner string, ttl time.Duration, how string) (ours bool, err error) {
	err = c.link.Call(ctx, "lease", func(ctx context.Context, conn driver.Client) error {
		n, err := leaseScript.Run(ctx, conn, link.ScriptCall{
			Keys: []string{c.keys.lease(name)},
			Args: []string{owner, millis(ttl), how},
		})[0].AsInt64()
		ours = n == 1
		return err
	})
	return ours, err
}

// seedLease is the lease that a seed runs under. Its owner is the seed, not the instance: what one seed wrote before Valkey
// was emptied, another must not finish.
const seedLease = "seed"

// BeginSeed implements presence.Seeder.
func (c *Client) BeginSeed(ctx context.Context, ttl time.Duration) (token string, err error) {
	token = core.NewID[core.ConnID]().String()
	ours, err := c.lease(ctx, seedLease, token, ttl, "take")
	if err != nil || !ours {
		return "", err
	}
	return token, nil
}

// KeepSeed implements presence.Seeder.
func (c *Client) KeepSeed(ctx context.Context, token string, ttl time.Duration) (bool, error) {
	return c.lease(ctx, seedLease, token, ttl, "keep")
}

// RenewEpoch implements presence.Seeder.
func (c *Client) RenewEpoch(ctx context.Context) error {
	return c.link.Call(ctx, "renew epoch", func(ctx context.Context, conn driver.Client) error {
		err := conn.Do(ctx, conn.B().Set().Key(c.keys.epoch).Value(core.NewID[core.ConnID]().String()).Xx().Build()).Error()
		if errors.Is(err, driver.Nil) {
			return nil // emptied meanwhile: the seed that follows makes one
		}
		return err
	})
}

// FinishSeed implements presence.Seeder.
func (c *Client) FinishSeed(ctx context.Context, token string) (done bool, err error) {
	err = c.link.Call(ctx, "finish seed", func(ctx context.Context, conn driver.Client) error {
		n, err := finishSeedScript.Run(ctx, conn, link.ScriptCall{
			Keys: []string{c.keys.lease(seedLease), c.keys.epoch},
			Args: []string{token, core.NewID[core.ConnID]().String()},
		})[0].AsInt64()
		done = n == 1
		return err
	})
	return done, err
}

// NoteReseed implements presence.Seeder.
func (c *Client) NoteReseed(ctx context.Context, began time.Time) error {
	return c.link.Call(ctx, "note reseed", func(ctx context.Context, conn driver.Client) error {
		return conn.Do(ctx, conn.B().Set().Key(c.keys.reseeded).Value(strconv.FormatInt(began.UnixMilli(), 10)).Build()).Error()
	})
}

// Reseeded implements presence.Seeder.
func (c *Client) Reseeded(ctx context.Context) (began time.Time, err error) {
	var text string
	err = c.link.Call(ctx, "last reseed", func(ctx context.Context, conn driver.Client) (err error) {
		text, err = conn.Do(ctx, conn.B().Get().Key(c.keys.reseeded).Build()).ToString()
		if errors.Is(err, driver.Nil) || link.IsWrongType(err) {
			return nil
		}
		return err
	})
	if ms, bad := strconv.ParseInt(text, 10, 64); bad == nil {
		began = time.UnixMilli(ms)
	}
	if began.After(c.Now().Add(apart)) {
		began = time.Time{} // nobody has begun later than now
	}
	return began, err
}

// Online implements presence.MirrorKeeper.
func (m *Mirror) Online(ctx context.Context, cursor uint64) (beats []presence.Heartbeat, next uint64, err error) {
	err = m.link.Call(ctx, "scan online", func(ctx context.Context, conn driver.Client) error {
		page, err := conn.Do(ctx, conn.B().Sscan().Key(m.keys.online).Cursor(cursor).Count(scanCount).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		next = page.Cursor
		ids := mitras(page.Elements)
		if len(ids) == 0 {
			return nil
		}
		names := make([]string, len(ids))
		for i, id := range ids {
			names[i] = m.keys.heartbeat(id.String())
		}
		texts, err := conn.Do(ctx, conn.B().Mget().Key(names...).Build()).ToArray()
		if err != nil {
			return err
		}
		if len(texts) != len(ids) {
			return link.ErrShape
		}
		for i, text := range texts {
			at, _ := text.ToString() // nil: none
			beats = append(beats, presence.Heartbeat{MitraID: ids[i], At: parseBeat(at)})
		}
		return nil
	})
	return beats, next, err
}
