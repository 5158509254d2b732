package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
)

// resubscribeAfter is how long a lost subscription rests before the next try.
const resubscribeAfter = 250 * time.Millisecond

// Receiver is told what comes over the bus. Its methods must not block, and are called one at a time but for Resubscribed.
type Receiver interface {
	Event(core.Event)
	Availability(n int, at time.Time)
	// Resubscribed says that from now on nothing is missed; what came before it, since the start or since the last
	// subscription was lost, has to be read from the outbox.
	Resubscribed()
}

// Run keeps this instance subscribed to all channels until ctx ends.
func (b *Bus) Run(ctx context.Context, r Receiver) error {
	outage := &core.Outage{Log: b.log, What: "the subscription to the bus"}
	for ctx.Err() == nil {
		conn, err := b.link.Subscriber()
		if outage.Note(ctx, err) != nil {
			pause(ctx)
			continue
		}
		s := &subscriber{bus: b, conn: conn, to: r, outage: outage, whole: make(chan struct{}, 1)}
		s.run(ctx)
		conn.Close()
	}
	return nil
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(resubscribeAfter):
	}
}

// subscriber holds all subscriptions, each in a goroutine of its own that run waits for.
type subscriber struct {
	bus   *Bus
	conn  driver.Client
	to    Receiver
	whole chan struct{} // all subscriptions are up again; holds at most one

	mu      sync.Mutex
	missing int          // subscriptions that are not up; guarded by mu, like outage
	outage  *core.Outage // a goroutine's that holds mu

	delivering sync.Mutex // held while the receiver is told: it is told one at a time
}

// run returns when ctx ends.
func (s *subscriber) run(ctx context.Context) {
	commands := s.commands()
	s.missing = len(commands)
	var all sync.WaitGroup
	for _, command := range commands {
		all.Go(func() {
			for ctx.Err() == nil {
				s.note(ctx, s.receive(ctx, command))
				pause(ctx)
			}
		})
	}
	all.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.whole:
				if s.listens(ctx) {
					s.to.Resubscribed()
				}
			}
		}
	})
	all.Wait()
	s.bus.listening.Store(false)
}

// subscription is what one goroutine keeps subscribed.
type subscription struct {
	channels []string
	sharded  bool
}

// commands are one subscription for all channels, or on a cluster one for each, since each may be elsewhere.
func (s *subscriber) commands() []subscription {
	channels := append([]string{s.bus.availability}, s.bus.events...)
	if s.conn.Mode() != driver.ClientModeCluster {
		return []subscription{{channels: channels}}
	}
	var all []subscription
	for _, channel := range append(channels, s.bus.watch) {
		all = append(all, subscription{channels: []string{channel}, sharded: true})
	}
	return all
}

// receive subscribes and hands on what comes until the subscription is lost, which is always an error, or ctx ends.
func (s *subscriber) receive(ctx context.Context, sub subscription) error {
	var confirmed atomic.Int32
	hooked := driver.WithOnSubscriptionHook(ctx, func(e driver.PubSubSubscription) {
		if (e.Kind == "subscribe" || e.Kind == "ssubscribe") && int(confirmed.Add(1)) == len(sub.channels) {
			s.up()
		}
	})
	command := s.conn.B().Subscribe().Channel(sub.channels...).Build()
	if sub.sharded {
		command = s.conn.B().Ssubscribe().Channel(sub.channels...).Build()
	}
	err := s.conn.Receive(hooked, command, func(message driver.PubSubMessage) {
		s.delivering.Lock()
		defer s.delivering.Unlock()
		s.bus.deliver(s.to, message)
	})
	if int(confirmed.Load()) >= len(sub.channels) {
		s.down()
	}
	if err == nil {
		err = errLost
	}
	return fmt.Errorf("valkey subscription: %w", err)
}

var errLost = errors.New("ended by the server")

// up counts a subscription that is confirmed. It is called by the driver's reader, which it must not hold up.
func (s *subscriber) up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing--
	if s.missing == 0 {
		select {
		case s.whole <- struct{}{}:
		default:
		}
	}
}

// listens makes the bus live, unless a subscription was lost meanwhile, and tells which.
func (s *subscriber) listens(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing > 0 {
		return false
	}
	_ = s.outage.Note(ctx, nil)
	s.bus.subscriptions.Add(1)
	s.bus.listening.Store(true)
	return true
}

// down undoes up.
func (s *subscriber) down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing++
	s.bus.listening.Store(false)
}

// note logs the first loss of an outage.
func (s *subscriber) note(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.outage.Note(ctx, err) // noted is handled
}
