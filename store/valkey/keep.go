package valkey

import (
	"context"
	"errors"
	"slices"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// scanCount is about how many members a step of a scan reads.
const scanCount = 500

// Up implements presence.MirrorKeeper.
func (c *Client) Up() bool { return c.conn.Load() != nil && c.breaker.closed() }

// Pulse implements presence.MirrorKeeper. It is the breaker's probe and the clock's measurement.
func (c *Client) Pulse(ctx context.Context) (presence.Pulse, error) {
	if err := c.connect(); err != nil {
		return presence.Pulse{}, err
	}
	var pulse presence.Pulse
	err := c.through(ctx, *c.conn.Load(), "pulse", func(ctx context.Context, conn driver.Client) error {
		sent := c.clock()
		results := conn.DoMulti(ctx, conn.B().Time().Build(), conn.B().Get().Key(c.keys.epoch).Build())
		took := c.clock().Sub(sent)
		clock, err := results[0].AsIntSlice()
		if err != nil {
			return err
		}
		if len(clock) != 2 {
			return errShape
		}
		theirs := time.Unix(clock[0], clock[1]*int64(time.Microsecond))
		c.offset.Store(int64(theirs.Sub(sent.Add(took / 2).Round(0))))
		pulse.Epoch, err = results[1].ToString()
		if errors.Is(err, driver.Nil) {
			err = nil
		}
		return err
	})
	pulse.Subscriptions = c.subscriptions.Load()
	return pulse, err
}

// Lease implements presence.MirrorKeeper.
func (c *Client) Lease(ctx context.Context, name string, ttl time.Duration) (bool, error) {
	return c.lease(ctx, name, c.owner, ttl, "take")
}

func (c *Client) lease(ctx context.Context, name, owner string, ttl time.Duration, how string) (ours bool, err error) {
	err = c.call(ctx, "lease", func(ctx context.Context, conn driver.Client) error {
		n, err := leaseScript.run(ctx, conn, scriptCall{
			keys: []string{c.keys.lease(name)},
			args: []string{owner, millis(ttl), how},
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

// FinishSeed implements presence.Seeder.
func (c *Client) FinishSeed(ctx context.Context, token string) (done bool, err error) {
	err = c.call(ctx, "finish seed", func(ctx context.Context, conn driver.Client) error {
		n, err := finishSeedScript.run(ctx, conn, scriptCall{
			keys: []string{c.keys.lease(seedLease), c.keys.epoch},
			args: []string{token, core.NewID[core.ConnID]().String()},
		})[0].AsInt64()
		done = n == 1
		return err
	})
	return done, err
}

// Online implements presence.MirrorKeeper.
func (m *Mirror) Online(ctx context.Context, cursor uint64) (beats []presence.Heartbeat, next uint64, err error) {
	err = m.call(ctx, "scan online", func(ctx context.Context, conn driver.Client) error {
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
			return errShape
		}
		for i, text := range texts {
			at, _ := text.ToString() // nil: none
			beats = append(beats, presence.Heartbeat{MitraID: ids[i], At: parseBeat(at)})
		}
		return nil
	})
	return beats, next, err
}

// Strangers implements presence.MirrorKeeper.
func (m *Mirror) Strangers(ctx context.Context, strangers func(context.Context, []core.MitraID) ([]core.MitraID, error)) (removed int, err error) {
	for _, key := range m.keys.collections() {
		for cursor, done := uint64(0), false; !done; done = cursor == 0 {
			var members []string
			if members, cursor, err = m.scan(ctx, key, cursor); err != nil {
				return removed, err
			}
			unwanted := slices.DeleteFunc(slices.Clone(members), func(text string) bool {
				_, err := core.ParseID[core.MitraID](text)
				return err == nil
			})
			unknown, err := strangers(ctx, mitras(members))
			if err != nil {
				return removed, err
			}
			for _, id := range unknown {
				unwanted = append(unwanted, id.String())
			}
			if len(unwanted) == 0 {
				continue
			}
			if err := m.remove(ctx, key, unwanted); err != nil {
				return removed, err
			}
			removed += len(unwanted)
		}
	}
	return removed, nil
}

// scan reads a part of one of the collections.
func (m *Mirror) scan(ctx context.Context, key string, cursor uint64) (members []string, next uint64, err error) {
	err = m.call(ctx, "scan", func(ctx context.Context, conn driver.Client) error {
		command, step := conn.B().Sscan().Key(key).Cursor(cursor).Count(scanCount).Build(), 1
		switch key {
		case m.keys.available, m.keys.waiting:
			command, step = conn.B().Zscan().Key(key).Cursor(cursor).Count(scanCount).Build(), 2
		case m.keys.sockets, m.keys.version:
			command, step = conn.B().Hscan().Key(key).Cursor(cursor).Count(scanCount).Build(), 2
		}
		page, err := conn.Do(ctx, command).AsScanEntry()
		if err != nil {
			return err
		}
		next = page.Cursor
		for i := 0; i < len(page.Elements); i += step {
			members = append(members, page.Elements[i])
		}
		return nil
	})
	return members, next, err
}

func (m *Mirror) remove(ctx context.Context, key string, members []string) error {
	return m.call(ctx, "remove strangers", func(ctx context.Context, conn driver.Client) error {
		switch key {
		case m.keys.available, m.keys.waiting:
			return conn.Do(ctx, conn.B().Zrem().Key(key).Member(members...).Build()).Error()
		case m.keys.sockets, m.keys.version:
			return conn.Do(ctx, conn.B().Hdel().Key(key).Field(members...).Build()).Error()
		default:
			return conn.Do(ctx, conn.B().Srem().Key(key).Member(members...).Build()).Error()
		}
	})
}
