package valkey_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// Whatever anybody writes under whichever key: readers answer or say that they cannot, and after the reseed the mirror is what
// follows from Postgres and from the sockets that the instances hold.
func TestSpoiledByHand(t *testing.T) {
	t.Parallel()
	url, prefix := valkeytest.New(t)
	raw := valkeytest.Dial(t, url)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		s := newSpoiled(t, raw, url, fmt.Sprint(prefix, n, ":"))
		defer s.client.Close()
		s.heal(t)
		require.Empty(t, s.differences(), "before")
		for range rapid.IntRange(1, 12).Draw(t, "how many") {
			s.spoil(t)
		}
		s.read(t)
		s.heal(t)
		require.Empty(t, s.differences(), "after")
		mended := s.service.Stats().Mended
		s.heal(t)
		require.Equal(t, mended, s.service.Stats().Mended, "nothing is left to mend")
	})
}

// spoiled is a mirror of a few mitras, some of them connected, that gets spoiled.
type spoiled struct {
	raw     driver.Client
	prefix  string
	ledger  *ledger
	client  *valkey.Client
	mirror  *valkey.Mirror
	service *presence.Service
	sockets map[core.MitraID]int64
}

func newSpoiled(t *rapid.T, raw driver.Client, url, prefix string) *spoiled {
	client, err := valkey.Open(url, prefix, core.SystemClock, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	client.Patience(30 * time.Second)
	l, mirror := newLedger(), client.Mirror(stale, grace)
	s := &spoiled{
		raw: raw, prefix: prefix, ledger: l, client: client, mirror: mirror, sockets: make(map[core.MitraID]int64),
		service: presence.NewService(presence.Config{}, l, l, l, mirror, client.Now, slog.New(slog.DiscardHandler)),
	}
	for range rapid.IntRange(1, 6).Draw(t, "mitras") {
		id := l.add()
		l.change(id, func(m *presence.Mitra) {
			m.Mode = rapid.SampledFrom([]presence.Mode{presence.Online, presence.Online, presence.Finishing, presence.Offline}).Draw(t, "mode")
			m.Active = rapid.IntRange(0, 3).Draw(t, "active") > 0
			m.Capacity = rapid.IntRange(0, 1).Draw(t, "capacity")
		})
		if rapid.Bool().Draw(t, "connected") {
			s.sockets[id] = rapid.Int64Range(1, 100).Draw(t, "epoch")
		}
	}
	return s
}

// heal does what instances do by themselves: they reseed, send their sockets and heartbeats, and reseed again at the next sweep.
func (s *spoiled) heal(t *rapid.T) {
	ctx := context.Background()
	for range 2 {
		_, err := s.client.Pulse(ctx)
		require.NoError(t, err)
		// All of this happens at once here, and instances get a while to say that they run.
		require.NoError(t, s.raw.Do(ctx, s.raw.B().Set().Key(s.prefix+"mirror:epoch").Value("old").Xx().Build()).NonValkeyError())
		require.NoError(t, s.service.Seed(ctx))
		_ = s.client.ReportInstance(ctx, valkey.Instance{}) // its first report may find the place taken
		require.NoError(t, s.client.ReportInstance(ctx, valkey.Instance{}))
		var sockets []presence.Socket
		var beats []presence.Heartbeat
		for id, epoch := range s.sockets {
			sockets = append(sockets, presence.Socket{MitraID: id, Epoch: epoch})
			beats = append(beats, presence.Heartbeat{MitraID: id, At: s.client.Now()})
		}
		require.NoError(t, s.mirror.BeatLate(ctx, beats))
		entered, err := s.mirror.SocketsUp(ctx, sockets)
		require.NoError(t, err)
		mitras, err := s.ledger.Mitras(ctx, entered)
		require.NoError(t, err)
		_, err = s.mirror.Write(ctx, mitras, presence.Through, nil)
		require.NoError(t, err)
	}
	require.NoError(t, s.service.Seed(ctx))
}

// read asks everything that anybody asks. A reply that is no answer is fine, a breaker that opens by it is not.
func (s *spoiled) read(t *rapid.T) {
	ctx := context.Background()
	check := func(err error) {
		var reply *driver.ValkeyError
		if err != nil && !errors.As(err, &reply) && !errors.Is(err, presence.ErrUnseeded) {
			require.NoError(t, err)
		}
	}
	now, err := s.mirror.Available(ctx)
	check(err)
	require.GreaterOrEqual(t, now.Count, 0)
	counted, _, err := s.mirror.Recount(ctx)
	check(err)
	require.LessOrEqual(t, counted.Count, len(s.ledger.mitras)+12)
	ids, err := s.mirror.FindAvailable(ctx, 5, nil)
	check(err)
	require.LessOrEqual(t, len(ids), 5)
	for id := range s.ledger.mitras {
		_, err = s.mirror.IsReachable(ctx, id)
		check(err)
	}
	_, err = s.mirror.Counts(ctx)
	check(err)
	_, _, err = s.mirror.Online(ctx, 0)
	check(err)
	_, err = s.client.Instances(ctx)
	check(err)
	_, err = s.mirror.Lease(ctx, "beacon", time.Second)
	check(err)
	require.True(t, s.client.Up())
}

func (s *spoiled) differences() []string {
	all := differences(s.raw, s.prefix, slices.Collect(maps.Values(s.ledger.mitras)), s.sockets)
	names, err := keysOf(context.Background(), s.raw, s.prefix)
	if err != nil {
		return append(all, err.Error())
	}
	for _, name := range names {
		text := name[strings.LastIndexByte(name, ':')+1:]
		id, err := core.ParseID[core.MitraID](text)
		if _, known := s.ledger.mitras[id]; err != nil || !known {
			all = append(all, "a stray "+name)
		}
	}
	return all
}

// spoil does one thing that nobody should.
func (s *spoiled) spoil(t *rapid.T) {
	known := slices.SortedFunc(maps.Keys(s.ledger.mitras), func(a, b core.MitraID) int { return slices.Compare(a[:], b[:]) })
	id := rapid.SampledFrom([]string{
		rapid.SampledFrom(known).Draw(t, "a mitra").String(), rapid.SampledFrom(known).Draw(t, "another").String(),
		core.NewID[core.MitraID]().String(), strings.ToUpper(known[0].String()), "", "*", "a b", "{x}", "\x00\xff", "'; DROP",
	}).Draw(t, "id")
	key := rapid.SampledFrom([]string{
		"mitras:online", "mitras:deactivated", "mitras:available", "mitras:waiting", "mitras:sockets", "mitras:version",
		"mitra:capacity:" + id, "mitra:heartbeat:" + id, "availability:snapshot", "mirror:epoch", "mirror:probe",
		"lease:seed", "lease:reseed", "instances",
	}).Draw(t, "key")
	value := rapid.SampledFrom([]string{
		"", "x", "-5", "1e99", "99999999999999999999", "7", "2026-02-30T99:99:99.000Z", "9999-12-31T23:59:59.999Z", "2020-01-01T00:00:00.000Z",
		`{"available":-3,"at":1}`, `{"available":5,"at":99999999999999}`, `{"available`, "12 nobody", "5 " + core.NewID[core.ConnID]().String(),
	}).Draw(t, "value")
	number := rapid.SampledFrom([]string{"inf", "-inf", "-1", "0", "1e300", "9999999999999", "3.5"}).Draw(t, "number")
	command := rapid.SampledFrom([][]string{
		{"SET", key, value},
		{"DEL", key},
		{"RPUSH", key, value},
		{"SADD", key, id},
		{"SREM", key, id},
		{"ZADD", key, number, id},
		{"ZREM", key, id},
		{"HSET", key, id, value},
		{"HDEL", key, id},
	}).Draw(t, "command")
	err := s.raw.Do(context.Background(), s.raw.B().Arbitrary(command[0]).Keys(s.prefix+key).Args(command[2:]...).Build()).Error()
	var reply *driver.ValkeyError
	if err != nil && !errors.As(err, &reply) { // what is refused was no spoiling
		require.NoError(t, err)
	}
}
