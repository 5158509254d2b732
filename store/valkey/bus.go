package valkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// resubscribeAfter is how long a lost subscription rests before the next try.
const resubscribeAfter = 250 * time.Millisecond

// eventsPerTrip bounds what one publish puts into a round trip.
const eventsPerTrip = 500

// Receiver is told what comes over the bus. Its methods must not block, and are called one at a time but for Resubscribed.
type Receiver interface {
	Event(core.Event)
	Availability(n int, at time.Time)
	// Resubscribed says that from now on nothing is missed; what came before it, since the start or since the last
	// subscription was lost, has to be read from the outbox.
	Resubscribed()
}

// Bus carries events and counts between instances, at most once: whoever needs every event reads the outbox too.
type Bus struct{ c *Client }

// Bus is the client's bus.
func (c *Client) Bus() *Bus { return &Bus{c: c} }

// Live tells whether this instance is subscribed.
func (b *Bus) Live() bool { return b.c.listening.Load() }

// Publish sends events to all instances. An error means that some may not have been sent.
func (b *Bus) Publish(ctx context.Context, events []core.Event) error {
	for len(events) > 0 {
		trip := events[:min(len(events), eventsPerTrip)]
		events = events[len(trip):]
		payloads := make([]string, len(trip))
		for i, event := range trip {
			raw, err := json.Marshal(event)
			if err != nil {
				return fmt.Errorf("encode event %d: %w", event.ID, err)
			}
			payloads[i] = string(raw)
		}
		err := b.c.call(ctx, "publish", func(ctx context.Context, conn driver.Client) error {
			commands := make(driver.Commands, len(trip))
			for i, event := range trip {
				commands[i] = conn.B().Publish().Channel(b.c.keys.channels[core.Channel(event.To)]).Message(payloads[i]).Build()
			}
			for _, result := range conn.DoMulti(ctx, commands...) {
				if err := result.Error(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PublishAvailability sends a count to all instances.
func (b *Bus) PublishAvailability(ctx context.Context, n int, at time.Time) error {
	payload := `{"available":` + strconv.Itoa(n) + `,"at":` + strconv.FormatInt(at.UnixMilli(), 10) + `}`
	return b.c.call(ctx, "publish availability", func(ctx context.Context, conn driver.Client) error {
		return conn.Do(ctx, conn.B().Publish().Channel(b.c.keys.availability).Message(payload).Build()).Error()
	})
}

// Run keeps this instance subscribed to all channels until ctx ends.
func (b *Bus) Run(ctx context.Context, r Receiver) error {
	outage := core.Outage{Log: b.c.log, What: "the subscription to the bus"}
	for ctx.Err() == nil {
		_ = outage.Note(ctx, b.subscription(ctx, r)) // noted is handled
		select {
		case <-ctx.Done():
		case <-time.After(resubscribeAfter):
		}
	}
	return nil
}

// subscription lives on a connection of its own, without the driver's retries: those would hide that it was lost.
func (b *Bus) subscription(ctx context.Context, r Receiver) error {
	option := b.c.option
	option.DisableRetry = true
	option.PipelineMultiplex = -1 // one connection
	conn, err := driver.NewClient(option)
	if err != nil {
		return fmt.Errorf("valkey subscribe: %w", err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	defer b.c.listening.Store(false)

	channels := append([]string{b.c.keys.availability}, b.c.keys.channels...)
	subscribed := make(chan struct{})
	waiting.Go(func() {
		select {
		case <-ctx.Done():
		case <-subscribed:
			b.c.listening.Store(true)
			b.c.subscriptions.Add(1)
			r.Resubscribed()
		}
	})
	var confirmed atomic.Int32
	hooked := driver.WithOnSubscriptionHook(ctx, func(s driver.PubSubSubscription) {
		if s.Kind == "subscribe" && int(confirmed.Add(1)) == len(channels) {
			close(subscribed)
		}
	})
	err = conn.Receive(hooked, conn.B().Subscribe().Channel(channels...).Build(), func(message driver.PubSubMessage) {
		b.deliver(r, message)
	})
	if err == nil {
		err = errLost
	}
	return fmt.Errorf("valkey subscription: %w", err)
}

var errLost = errors.New("ended by the server")

func (b *Bus) deliver(r Receiver, message driver.PubSubMessage) {
	if message.Channel == b.c.keys.availability {
		var s snapshot
		if json.Unmarshal([]byte(message.Message), &s) != nil || s.At <= 0 || s.Available < 0 {
			b.c.counters.unreadable.Add(1)
			return
		}
		r.Availability(s.Available, time.UnixMilli(s.At))
		return
	}
	var event core.Event
	if json.Unmarshal([]byte(message.Message), &event) != nil {
		b.c.counters.unreadable.Add(1)
		return
	}
	if event.Version != core.EventVersion {
		b.c.counters.unknownVersion.Add(1)
		return
	}
	r.Event(event)
}

// Recount implements presence.Beacon.
func (m *Mirror) Recount(ctx context.Context) (now presence.Availability, changed bool, err error) {
	err = m.call(ctx, "recount", func(ctx context.Context, conn driver.Client) error {
		list, err := recountScript.run(ctx, conn, scriptCall{
			keys: []string{m.keys.available, m.keys.snapshot, m.keys.epoch},
			args: []string{millis(m.stale), millis(snapshotTTL)},
		})[0].AsIntSlice()
		if errors.Is(err, driver.Nil) {
			return presence.ErrUnseeded
		}
		if err != nil {
			return err
		}
		if len(list) != 3 {
			return errShape
		}
		now, changed = snapshot{Available: int(list[0]), At: list[1]}.availability(), list[2] == 1
		return nil
	})
	return now, changed, err
}

// Announce implements presence.Beacon.
func (m *Mirror) Announce(ctx context.Context, a presence.Availability) error {
	return m.Bus().PublishAvailability(ctx, a.Count, a.At)
}

// Listening implements presence.Beacon.
func (m *Mirror) Listening() bool { return m.listening.Load() }
