package valkey_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

const (
	beatEvery  = 15 * time.Second // what apps are asked for
	driveFor   = 5 * time.Second  // after a warm-up of a second
	driveSlice = 10 * time.Millisecond
)

// speeds are how many times as often as they are asked to the mitras beat: as so many times as many mitras would.
var speeds = []int{1, 2, 4}

// BenchmarkMillionMitras has that many online mitras beat every 15 s, through the service as sockets call it, into one Valkey, and then
// more often. It tells how busy that keeps Valkey and this process, whether what comes in is written, and with how many mitras Valkey,
// which does all this in one thread, would be full. The metrics are those of the first speed.
func BenchmarkMillionMitras(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			server := valkeytest.Private(b)
			many := newMultitude(n)
			client := open(b, server.URL(), "")
			service := presence.NewService(presence.Config{}, many, many, many, client.Mirror(stale, grace), client.Now, slog.New(slog.DiscardHandler))
			seedPatiently(b, service, n)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = service.Run(ctx, many, many)
			}()
			defer func() { cancel(); <-done }()

			raw := valkeytest.Dial(b, server.URL())
			for b.Loop() {
				var table strings.Builder
				for _, speed := range speeds {
					many.beat(service, speed, time.Second)
					require.NoError(b, raw.Do(ctx, raw.B().ConfigResetstat().Build()).Error())
					d := many.drive(b, service, raw, speed)
					d.commands = commands(b, raw, d.written)
					fmt.Fprintf(&table, "\n| %d | %s |", n*speed, d)
					if speed == 1 {
						d.report(b)
					}
				}
				b.ReportMetric(memoryOf(b, raw)/float64(n), "valkey-B/mitra")
				b.ReportMetric(0, "ns/op")
				b.Logf("load %s, as many mitras as | beats/s | written | failed calls | valkey's core | its µs a beat | of them in | ours | it is full at%s", load(), &table)
			}
		})
	}
}

func seedPatiently(b *testing.B, service *presence.Service, n int) {
	b.Helper()
	began := time.Now()
	for tries := 1; ; tries++ { // one call that takes long ends a seed; the service itself tries again, too
		err := service.Seed(b.Context())
		if err == nil {
			break
		}
		b.Logf("seed %d: %v", tries, err)
		require.Less(b, tries, 5)
	}
	b.Logf("%d mitras mirrored in %v", n, time.Since(began).Round(time.Millisecond))
}

// driven is what a drive cost.
type driven struct {
	sent, written, failed float64
	took                  time.Duration
	used                  cost
	commands              string
}

// commands is what the server says that the commands of a beat took, in µs.
func commands(b *testing.B, raw driver.Client, beats float64) string {
	b.Helper()
	info, err := raw.Do(b.Context(), raw.B().Info().Section("commandstats").Build()).ToString()
	require.NoError(b, err)
	var all []string
	for line := range strings.Lines(info) {
		name, numbers, is := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		_, rest, _ := strings.Cut(numbers, "usec=")
		text, _, _ := strings.Cut(rest, ",")
		if µs, err := strconv.ParseFloat(text, 64); is && err == nil && µs/beats > 0.01 {
			all = append(all, fmt.Sprintf("%s %.2f", strings.ToUpper(name), µs/beats))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// drive has the mitras beat for driveFor at a speed.
func (c *multitude) drive(b *testing.B, service *presence.Service, raw driver.Client, speed int) (d driven) {
	before, began := service.Stats(), time.Now()
	d.used = spent(b, raw, func() { d.sent = float64(c.beat(service, speed, driveFor)) })
	after := service.Stats()
	d.took = time.Since(began)
	d.written, d.failed = float64(after.Beats-before.Beats), float64(after.MirrorErrors-before.MirrorErrors)
	return d
}

func (d driven) core() float64     { return d.used.valkey.Seconds() / d.took.Seconds() }
func (d driven) eachBeat() float64 { return float64(d.used.valkey.Nanoseconds()) / d.written }

func (d driven) report(b *testing.B) {
	b.ReportMetric(d.written/d.took.Seconds(), "beats/s")
	b.ReportMetric(100*d.written/d.sent, "%written")
	b.ReportMetric(d.failed, "failed-calls")
	b.ReportMetric(100*d.core(), "%valkey")
	b.ReportMetric(d.eachBeat(), "valkey-ns/beat")
	b.ReportMetric(float64(d.used.ours.Nanoseconds())/d.written, "client-ns/beat")
}

// String is a row.
func (d driven) String() string {
	full := beatEvery.Seconds() / (d.eachBeat() / 1e9) // mitras
	return fmt.Sprintf("%.0f | %.0f %% | %.0f | %.0f %% | %.2f | %s | %.2f | %.1f million mitras", d.written/d.took.Seconds(),
		100*d.written/d.sent, d.failed, 100*d.core(), d.eachBeat()/1e3, d.commands, float64(d.used.ours.Nanoseconds())/d.written/1e3, full/1e6)
}

// memoryOf is what the server has allocated.
func memoryOf(b *testing.B, raw driver.Client) float64 {
	b.Helper()
	info, err := raw.Do(b.Context(), raw.B().Info().Section("memory").Build()).ToString()
	require.NoError(b, err)
	_, behind, found := strings.Cut(info, "used_memory:")
	require.True(b, found)
	used, err := strconv.ParseFloat(strings.Fields(behind)[0], 64)
	require.NoError(b, err)
	return used
}

// multitude is a Postgres of mitras who are all online, in order of their ids, and who listens to nothing.
type multitude struct {
	mitras []presence.Mitra
	order  []int // in which they beat
	next   int
}

func newMultitude(n int) *multitude {
	c := &multitude{mitras: make([]presence.Mitra, n), order: make([]int, n)}
	now := time.Now()
	for i := range c.mitras {
		m := online(1)
		m.ConnectionEpoch, m.LastHeartbeatAt, m.AvailableSince = 1, now, now.Add(time.Duration(i))
		c.mitras[i], c.order[i] = m, i
	}
	slices.SortFunc(c.mitras, func(a, b presence.Mitra) int { return slices.Compare(a.ID[:], b.ID[:]) })
	// Who beats together has nothing else in common.
	for i := range c.order {
		j := int(uint64(i) * 0x9e3779b97f4a7c15 % uint64(n))
		c.order[i], c.order[j] = c.order[j], c.order[i]
	}
	return c
}

// beat has each mitra beat so many times in beatEvery, evenly, for so long, and tells how many beats that were.
func (c *multitude) beat(service *presence.Service, times int, length time.Duration) (sent int) {
	began := time.Now()
	ticker := time.NewTicker(driveSlice)
	defer ticker.Stop()
	for at := time.Duration(0); at < length; at = time.Since(began) {
		for due := int(float64(times*len(c.mitras)) * min(at, length).Seconds() / beatEvery.Seconds()); sent < due; sent++ {
			service.Alive(c.mitras[c.order[c.next]].ID)
			c.next = (c.next + 1) % len(c.order)
		}
		<-ticker.C
	}
	return sent
}

func (c *multitude) find(id core.MitraID) int {
	return sort.Search(len(c.mitras), func(i int) bool { return slices.Compare(c.mitras[i].ID[:], id[:]) >= 0 })
}

func (c *multitude) Page(_ context.Context, after core.MitraID, limit int) ([]presence.Mitra, error) {
	from := c.find(after)
	if from < len(c.mitras) && c.mitras[from].ID == after {
		from++
	}
	return c.mitras[from:min(from+limit, len(c.mitras))], nil
}

func (c *multitude) Mitras(_ context.Context, ids []core.MitraID) (found []presence.Mitra, err error) {
	for _, id := range ids {
		if i := c.find(id); i < len(c.mitras) && c.mitras[i].ID == id {
			found = append(found, c.mitras[i])
		}
	}
	return found, nil
}

func (c *multitude) Known(_ context.Context, ids []core.MitraID) ([]core.MitraID, error) {
	return ids, nil
}

func (c *multitude) Connect(context.Context, core.MitraID) (presence.Mitra, error) {
	return presence.Mitra{}, nil
}

func (c *multitude) SetMode(context.Context, core.MitraID, presence.Mode, int64) (presence.Mitra, error) {
	return presence.Mitra{}, nil
}

func (c *multitude) CountAvailable(context.Context, time.Duration) (int, error) { return 0, nil }

func (c *multitude) FindAvailable(context.Context, int, []core.MitraID, time.Duration) ([]core.MitraID, error) {
	return nil, nil
}

func (c *multitude) IsReachable(context.Context, core.MitraID, time.Duration) (bool, error) {
	return false, nil
}

func (c *multitude) Counts(context.Context, time.Duration) (presence.Counts, error) {
	return presence.Counts{}, nil
}

func (c *multitude) SaveHeartbeats(context.Context, []presence.Heartbeat, time.Time) ([]core.MitraID, error) {
	return nil, nil
}

func (c *multitude) TakeOffline(context.Context, []core.MitraID, time.Duration) ([]core.MitraID, error) {
	return nil, nil
}

func (c *multitude) Freed([]core.MitraID)        {}
func (c *multitude) Availability(int, time.Time) {}
func (c *multitude) Deactivated([]core.MitraID)  {}
