package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// eventsPerTrip bounds what one publish puts into a round trip.
const eventsPerTrip = 500

// Bus is the bus as one instance uses it. All methods may be called from any goroutine, Run once.
type Bus struct {
	link *link.Link
	log  *slog.Logger

	events       []string // channels, by core.Channel
	availability string   // a channel
	watch        string   // a channel in the mirror's slot, for clusters

	listening                                 atomic.Bool
	subscriptions, unreadable, unknownVersion atomic.Uint64
}

// Stats counts since the start.
type Stats struct {
	Subscriptions  uint64 // more than one: the bus was lost on the way
	Unreadable     uint64 // messages that are no JSON of ours
	UnknownVersion uint64 // events of another version, dropped
}

// New makes the bus of a link. prefix is that of the keys.
func New(l *link.Link, prefix string, log *slog.Logger) *Bus {
	bare := strings.NewReplacer("{", "", "}", "").Replace(prefix)
	b := &Bus{link: l, log: log, availability: bare + "availability", watch: prefix + "mirror:watch"}
	for n := range core.EventChannels {
		b.events = append(b.events, fmt.Sprintf("%sevents:%d", bare, n))
	}
	return b
}

// Live tells whether this instance is subscribed to everything, and Valkey answers: a connection on which nothing comes any more
// looks like one on which there is nothing to say, for a second or two.
func (b *Bus) Live() bool { return b.listening.Load() && b.link.Up() }

// Stats reads the counters.
func (b *Bus) Stats() Stats {
	return Stats{
		Subscriptions: b.subscriptions.Load(), Unreadable: b.unreadable.Load(), UnknownVersion: b.unknownVersion.Load(),
	}
}

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
		err := b.link.Call(ctx, "publish", func(ctx context.Context, conn driver.Client) error {
			commands := make(driver.Commands, len(trip))
			for i, event := range trip {
				commands[i] = publish(conn, b.events[core.Channel(event.To)], payloads[i])
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
func (b *Bus) PublishAvailability(ctx context.Context, a presence.Availability) error {
	payload := `{"available":` + strconv.Itoa(a.Count) + `,"at":` + strconv.FormatInt(a.At.UnixMilli(), 10) + `}`
	return b.link.Call(ctx, "publish availability", func(ctx context.Context, conn driver.Client) error {
		return conn.Do(ctx, publish(conn, b.availability, payload)).Error()
	})
}

// publish is the command of the server's shape.
func publish(conn driver.Client, channel, message string) driver.Completed {
	if conn.Mode() == driver.ClientModeCluster {
		return conn.B().Spublish().Channel(channel).Message(message).Build()
	}
	return conn.B().Publish().Channel(channel).Message(message).Build()
}

// deliver hands a message on, or counts why not.
func (b *Bus) deliver(r Receiver, message driver.PubSubMessage) {
	if message.Channel == b.availability {
		var count struct {
			Available int   `json:"available"`
			At        int64 `json:"at"`
		}
		if json.Unmarshal([]byte(message.Message), &count) != nil || count.At <= 0 || count.Available < 0 {
			b.unreadable.Add(1)
			return
		}
		r.Availability(count.Available, time.UnixMilli(count.At))
		return
	}
	var event core.Event
	if json.Unmarshal([]byte(message.Message), &event) != nil {
		b.unreadable.Add(1)
		return
	}
	if event.Version != core.EventVersion {
		b.unknownVersion.Add(1)
		return
	}
	r.Event(event)
}
