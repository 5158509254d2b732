package valkey_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

type counted struct {
	n  int
	at time.Time
}

// receiver hands on what it is told; it never blocks, so what nobody takes is dropped in the end.
type receiver struct {
	events       chan core.Event
	counts       chan counted
	resubscribed chan struct{}
}

func (r *receiver) Event(e core.Event)               { offer(r.events, e) }
func (r *receiver) Availability(n int, at time.Time) { offer(r.counts, counted{n, at}) }
func (r *receiver) Resubscribed()                    { offer(r.resubscribed, struct{}{}) }

func offer[T any](to chan T, value T) {
	select {
	case to <- value:
	default:
	}
}

// listen runs a client's bus until the test ends.
func listen(t *testing.T, client *valkey.Client) *receiver {
	t.Helper()
	r := &receiver{events: make(chan core.Event, 100), counts: make(chan counted, 100), resubscribed: make(chan struct{}, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.Bus().Run(ctx, r)
	}()
	t.Cleanup(func() { cancel(); <-done })
	await(t, r.resubscribed)
	return r
}

func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(30 * time.Second):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

func event(t *testing.T, id int64) core.Event {
	t.Helper()
	e, err := core.NewEvent(core.OfferMade, core.NewID[core.UserID](), map[string]int64{"n": id})
	require.NoError(t, err)
	e.ID = id
	return e
}

func TestBus(t *testing.T) {
	t.Parallel()

	t.Run("EveryInstanceHearsAll", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		other := open(t, r.url, r.prefix)
		here, there := listen(t, r.client), listen(t, other)
		require.True(t, r.client.Bus().Live())
		sent := make(map[int64]core.Event)
		var events []core.Event
		for id := range int64(80) {
			e := event(t, id)
			sent[id] = e
			events = append(events, e)
		}
		require.NoError(t, r.client.Bus().Publish(t.Context(), events))
		for _, instance := range []*receiver{here, there} {
			got := make(map[int64]core.Event)
			for range events {
				e := await(t, instance.events)
				got[e.ID] = e
			}
			require.Equal(t, sent, got)
		}
		at := ms(time.Now())
		require.NoError(t, other.Bus().PublishAvailability(t.Context(), presence.Availability{Count: 12, At: at}))
		require.Equal(t, counted{12, at}, await(t, here.counts))
		require.Equal(t, counted{12, at}, await(t, there.counts))
	})

	t.Run("UnknownVersionIsDropped", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		here := listen(t, r.client)
		newer, known := event(t, 1), event(t, 2)
		newer.Version = core.EventVersion + 1
		require.NoError(t, r.client.Bus().Publish(t.Context(), []core.Event{newer}))
		bare := r.prefix[1:len(r.prefix)-2] + ":" // the prefix without its braces
		require.NoError(t, r.raw.Do(t.Context(), r.raw.B().Publish().Channel(bare+"events:0").Message("{").Build()).Error())
		require.NoError(t, r.raw.Do(t.Context(), r.raw.B().Publish().Channel(bare+"availability").Message(`{"available":-1}`).Build()).Error())
		require.NoError(t, r.client.Bus().Publish(t.Context(), []core.Event{known}))
		require.Equal(t, known, await(t, here.events))
		require.Eventually(t, func() bool {
			stats := r.client.Bus().Stats()
			return stats.UnknownVersion == 1 && stats.Unreadable == 2
		}, 30*time.Second, time.Millisecond)
	})

	t.Run("LostSubscription", func(t *testing.T) {
		t.Parallel()
		r := newRigOn(t, valkeytest.Private(t).URL(), "") // others' subscriptions stay out of it
		here := listen(t, r.client)
		killed, err := r.raw.Do(t.Context(), r.raw.B().Arbitrary("CLIENT", "KILL", "TYPE", "pubsub").Build()).AsInt64()
		require.NoError(t, err)
		require.Positive(t, killed)
		await(t, here.resubscribed)
		require.True(t, r.client.Bus().Live())
		pulse, err := r.client.Pulse(t.Context())
		require.NoError(t, err)
		require.GreaterOrEqual(t, pulse.Subscriptions, uint64(2))
		e := event(t, 3)
		require.NoError(t, r.client.Bus().Publish(t.Context(), []core.Event{e}))
		require.Equal(t, e, await(t, here.events))
	})

	t.Run("Payload", func(t *testing.T) {
		t.Parallel()
		raw, err := json.Marshal(core.Event{ID: 1, Version: 1, Kind: core.OfferMade, Body: json.RawMessage(`{}`)})
		require.NoError(t, err)
		require.JSONEq(t, `{"id":1,"v":1,"kind":"offer.made","to":"","body":{}}`, string(raw))
	})
}
