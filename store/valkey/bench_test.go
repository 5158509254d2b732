package valkey_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// The benchmarks compare within one run, in turns, and print the rows of docs/valkey-mirror.md. What other programs do to the machine
// meanwhile is in the times, not in the ratios; the processor time is the processes' own.

// beats is how many heartbeats one flush of a large instance carries, at most.
const beats = 10_000

// rounds is how often each side of a comparison has its turn; the median counts.
const rounds = 5

func median[T interface{ ~int64 | ~float64 }](of []T) T {
	slices.Sort(of)
	return of[len(of)/2]
}

// load is the machine's load, for the reader of a table.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}

// BenchmarkHeartbeat brings heartbeats from the socket's call into Valkey, beside a pipelined SET of the same keys and nothing else.
func BenchmarkHeartbeat(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			server := valkeytest.Private(b)
			many := newMultitude(n)
			client, raw := open(b, server.URL(), ""), valkeytest.Dial(b, server.URL())
			cfg := presence.Config{Flush: 50 * time.Millisecond} // the waits between flushes are no heartbeat's
			service := presence.NewService(cfg, many, many, many, client.Mirror(stale, grace), client.Now, slog.New(slog.DiscardHandler))
			require.NoError(b, service.Seed(b.Context()))
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { _ = service.Run(ctx, many, many) })
			defer func() { cancel(); running.Wait() }()

			const flushes = 10 // a turn
			var ours, plain [2][]float64
			for b.Loop() {
				for range rounds {
					begin, turn := many.next, flushes*beats
					note(&ours, turn, spent(b, raw, func() {
						for range flushes {
							many.flush(b, service, beats)
						}
					}))
					note(&plain, turn, spent(b, raw, func() { many.set(b, raw, begin, turn) }))
				}
			}
			valkey, bare := median(ours[0]), median(plain[0])
			client1, bareClient := median(ours[1]), median(plain[1])
			b.ReportMetric(valkey/bare, "valkey-x")
			b.ReportMetric(client1/bareClient, "client-x")
			b.Logf("load %s\n| %d | %.2f | %.2f | %.1f | %.2f | %.2f | %.1f |", load(), n,
				valkey/1e3, bare/1e3, valkey/bare, client1/1e3, bareClient/1e3, client1/bareClient)
		})
	}
}

// note adds a turn's cost a heartbeat.
func note(to *[2][]float64, n int, c cost) {
	to[0] = append(to[0], float64(c.valkey.Nanoseconds())/float64(n))
	to[1] = append(to[1], float64(c.ours.Nanoseconds())/float64(n))
}

// flush has n mitras beat and waits until Valkey has it.
func (c *multitude) flush(b *testing.B, service *presence.Service, n int) {
	before := service.Stats().Beats
	for range n {
		service.Alive(c.mitras[c.order[c.next]].ID)
		c.next = (c.next + 1) % len(c.order)
	}
	for service.Stats().Beats < before+uint64(n) {
		select {
		case <-b.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// set writes the keys of n mitras' heartbeats, a thousand commands a round trip.
func (c *multitude) set(b *testing.B, raw driver.Client, begin, n int) {
	at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	for done := 0; done < n; done += 1000 {
		commands := make(driver.Commands, 0, 1000)
		for i := range 1000 {
			id := c.mitras[c.order[(begin+done+i)%len(c.order)]].ID.String()
			commands = append(commands, raw.B().Set().Key("mitra:heartbeat:"+id).Value(at).Build())
		}
		for _, result := range raw.DoMulti(b.Context(), commands...) {
			require.NoError(b, result.Error())
		}
	}
}

// BenchmarkQuestions asks for five candidates and for the count, beside the straightforward way: the difference of the two sets, and a GET of
// each one's heartbeat.
func BenchmarkQuestions(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newRigOn(b, valkeytest.Private(b).URL(), "")
			fillMirror(b, r, n)
			var find, snapshot, count, plain []time.Duration
			for b.Loop() {
				for range rounds {
					find = append(find, timed(50, func() { require.Len(b, r.candidates(5), 5) }))
					snapshot = append(snapshot, timed(50, func() {
						_, err := r.mirror.Available(b.Context())
						require.NoError(b, err)
					}))
					count = append(count, timed(50, func() { require.Equal(b, n, r.count()) }))
				}
				for range max(1, min(rounds, 200_000/n)) {
					plain = append(plain, timed(1, func() { require.Equal(b, n, straightforward(b, r.raw)) }))
				}
			}
			best := median(find)
			b.ReportMetric(float64(median(plain))/float64(best), "plain-x")
			b.Logf("load %s, %d bytes of Valkey's a mitra\n| %d | %v | %v | %v | %v |", load(), memory(b, r.raw)/n, n,
				best.Round(time.Microsecond), median(snapshot).Round(time.Microsecond),
				median(count).Round(time.Microsecond), median(plain).Round(10*time.Microsecond))
		})
	}
}

// memory is what Valkey uses.
func memory(b *testing.B, raw driver.Client) (used int) {
	info, err := raw.Do(b.Context(), raw.B().Info().Section("memory").Build()).ToString()
	require.NoError(b, err)
	_, rest, _ := strings.Cut(info, "used_memory:")
	_, err = fmt.Sscan(rest, &used)
	require.NoError(b, err)
	return used
}

// timed is what one of n takes.
func timed(n int, do func()) time.Duration {
	began := time.Now()
	for range n {
		do()
	}
	return time.Since(began) / time.Duration(n)
}

// fillMirror makes n available mitras with sockets.
func fillMirror(b *testing.B, r *mirrorRig, n int) {
	b.Helper()
	many := newMultitude(n)
	r.seed()
	for chunk := range slices.Chunk(many.mitras, 10_000) {
		var beats []presence.Heartbeat
		var sockets []presence.Socket
		for _, m := range chunk {
			beats = append(beats, presence.Heartbeat{MitraID: m.ID, At: r.client.Now()})
			sockets = append(sockets, presence.Socket{MitraID: m.ID, Epoch: 1})
		}
		require.Eventually(b, func() bool { // a busy machine may take longer than a call has
			_, beatErr := r.mirror.Beat(b.Context(), beats)
			_, upErr := r.mirror.SocketsUp(b.Context(), sockets)
			_, writeErr := r.mirror.Write(b.Context(), chunk, presence.Mend, nil)
			_, pulseErr := r.client.Pulse(b.Context())
			return errors.Join(beatErr, upErr, writeErr, pulseErr) == nil
		}, time.Minute, time.Millisecond)
	}
}

// straightforward counts as one would without an index.
func straightforward(b *testing.B, raw driver.Client) (fresh int) {
	ids, err := raw.Do(b.Context(), raw.B().Sdiff().Key("mitras:online", "mitras:deactivated").Build()).AsStrSlice()
	require.NoError(b, err)
	for chunk := range slices.Chunk(ids, 1000) {
		commands := make(driver.Commands, 0, len(chunk))
		for _, id := range chunk {
			commands = append(commands, raw.B().Get().Key("mitra:heartbeat:"+id).Build())
		}
		for _, result := range raw.DoMulti(b.Context(), commands...) {
			text, err := result.ToString()
			require.NoError(b, err)
			at, err := time.Parse("2006-01-02T15:04:05.000Z", text)
			require.NoError(b, err)
			if time.Since(at) < time.Hour {
				fresh++
			}
		}
	}
	return fresh
}

// BenchmarkSeed fills an empty Valkey with 100,000 mitras from Postgres, and then compares them again while somebody asks for candidates.
func BenchmarkSeed(b *testing.B) {
	const n = 100_000
	databaseURL := pgtest.URL(b)
	pgtest.Exec(b, databaseURL, `insert into mitras (id, phone, display_name, mode, available_since, last_heartbeat_at)
		select gen_random_uuid(), '+6281' || (100000000 + i), 'M' || i, 'online', now(), now() from generate_series(1, $1::int) i`, n)
	pgtest.Exec(b, databaseURL, `analyze`)
	db := pgtest.Open(b, databaseURL, postgres.Options{Log: slog.New(slog.DiscardHandler)})
	server := valkeytest.Private(b)
	client, raw := open(b, server.URL(), ""), valkeytest.Dial(b, server.URL())
	truth, mirror := db.Presence(), client.Mirror(stale, grace)
	service := presence.NewService(presence.Config{}, truth, truth, truth, mirror, client.Now, slog.New(slog.DiscardHandler))

	quiet := func() (all []time.Duration) { return asked(b, mirror, nil) }
	var fill, again []time.Duration
	var filled, compared cost
	var alone, during []time.Duration
	for b.Loop() {
		for range 3 {
			require.NoError(b, raw.Do(b.Context(), raw.B().Flushall().Build()).Error())
			fill = append(fill, timed(1, func() {
				filled = spent(b, raw, func() { require.NoError(b, service.Seed(b.Context())) })
			}))
			alone = append(alone, quiet()...)
			done := make(chan struct{})
			var asking sync.WaitGroup
			asking.Go(func() { during = append(during, asked(b, mirror, done)...) })
			again = append(again, timed(1, func() {
				compared = spent(b, raw, func() { require.NoError(b, service.Seed(b.Context())) })
			}))
			close(done)
			asking.Wait()
		}
	}
	counts, err := mirror.Counts(b.Context())
	require.NoError(b, err)
	require.Equal(b, n, counts.Online)
	b.ReportMetric(median(fill).Seconds(), "s/seed")
	b.ReportMetric(median(again).Seconds(), "s/reseed")
	b.Logf("load %s: seed of %d in %v (processor: valkey %v, ours %v), reseed in %v (valkey %v, ours %v)", load(), n,
		median(fill), filled.valkey, filled.ours, median(again), compared.valkey, compared.ours)
	b.Logf("candidates while nobody seeds: median %v, p99 %v; during a reseed: median %v, p99 %v, of %d",
		at(alone, 50), at(alone, 99), at(during, 50), at(during, 99), len(during))
}

// asked asks for candidates every 2 ms, until done is closed or, without it, 200 times.
func asked(b *testing.B, mirror presence.Mirror, done chan struct{}) (took []time.Duration) {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for done != nil || len(took) < 200 {
		select {
		case <-done:
			return took
		case <-ticker.C:
		}
		took = append(took, timed(1, func() {
			_, err := mirror.FindAvailable(b.Context(), 5, []core.MitraID{{}})
			require.NoError(b, err)
		}))
	}
	return took
}

// at is a percentile.
func at(of []time.Duration, percent int) time.Duration {
	slices.Sort(of)
	return of[min(len(of)*percent/100, len(of)-1)].Round(time.Microsecond)
}
