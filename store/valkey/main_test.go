package valkey_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
	"github.com/halobestie/bestie-gateway/store/valkey"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

func TestMain(m *testing.M) {
	code := valkeytest.Main(m)
	pgtest.Stop()
	// A client of a cluster closes connections to nodes that went away 5 s later, in a goroutine that nobody can wait for.
	late := goleak.IgnoreAnyFunction("github.com/valkey-io/valkey-go.(*clusterClient)._refresh.func2")
	if err := goleak.Find(late); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const (
	stale = 45 * time.Second
	grace = 20 * time.Second
)

// mirrorRig is a mirror under a prefix of its own, with a second way to look at what stands there.
type mirrorRig struct {
	t      testing.TB
	url    string
	prefix string
	client *valkey.Client
	mirror *valkey.Mirror
	raw    driver.Client
}

func newRig(t testing.TB) *mirrorRig {
	t.Helper()
	url, prefix := valkeytest.New(t)
	return newRigOn(t, url, prefix)
}

func newRigOn(t testing.TB, url, prefix string) *mirrorRig {
	t.Helper()
	client := open(t, url, prefix)
	return &mirrorRig{t: t, url: url, prefix: prefix, client: client, mirror: client.Mirror(stale, grace), raw: valkeytest.Dial(t, url)}
}

// open gives a client that waits for its answers, however busy the machine is.
func open(t testing.TB, url, prefix string) *valkey.Client {
	t.Helper()
	client := openBrisk(t, url, prefix)
	client.Patience(30 * time.Second)
	return client
}

// openBrisk gives one with the time-outs of production, for tests of what happens then.
func openBrisk(t testing.TB, url, prefix string) *valkey.Client {
	t.Helper()
	client, err := valkey.Open(url, prefix, core.SystemClock, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// do runs a command whose first argument, the key, gets the prefix. nil for a nil answer.
func (r *mirrorRig) do(command, key string, args ...string) any {
	r.t.Helper()
	answer, err := r.raw.Do(context.Background(), r.raw.B().Arbitrary(command).Keys(r.prefix+key).Args(args...).Build()).ToAny()
	if driver.IsValkeyNil(err) {
		return nil
	}
	require.NoError(r.t, err)
	return answer
}

// score is a member's score, nil when it is none.
func (r *mirrorRig) score(key string, id core.MitraID) any {
	r.t.Helper()
	switch score := r.do("ZSCORE", key, id.String()).(type) {
	case float64:
		return int64(score)
	case string:
		n, err := strconv.ParseFloat(score, 64)
		require.NoError(r.t, err)
		return int64(n)
	default:
		return nil
	}
}

// epoch is that of a mitra's socket.
func (r *mirrorRig) epoch(id core.MitraID) string {
	r.t.Helper()
	epoch, _, _ := strings.Cut(r.do("HGET", "mitras:sockets", id.String()).(string), " ")
	return epoch
}

// seed opens the mirror to readers.
func (r *mirrorRig) seed() {
	r.t.Helper()
	ctx := r.t.Context()
	token, err := r.mirror.BeginSeed(ctx, time.Second)
	require.NoError(r.t, err)
	require.NotEmpty(r.t, token)
	done, err := r.mirror.FinishSeed(ctx, token)
	require.NoError(r.t, err)
	require.True(r.t, done)
}

// write mirrors one mitra after a transition.
func (r *mirrorRig) write(m presence.Mitra) presence.Outcome {
	r.t.Helper()
	outcomes, err := r.mirror.Write(r.t.Context(), []presence.Mitra{m}, presence.Through, nil)
	require.NoError(r.t, err)
	require.Len(r.t, outcomes, 1)
	return outcomes[0]
}

// mend mirrors one mitra as a reseed does.
func (r *mirrorRig) mend(m presence.Mitra, held int64) presence.Outcome {
	r.t.Helper()
	outcomes, err := r.mirror.Write(r.t.Context(), []presence.Mitra{m}, presence.Mend, []int64{held})
	require.NoError(r.t, err)
	require.Len(r.t, outcomes, 1)
	return outcomes[0]
}

func (r *mirrorRig) beat(id core.MitraID, at time.Time) {
	r.t.Helper()
	_, err := r.mirror.Beat(r.t.Context(), []presence.Heartbeat{{MitraID: id, At: at}})
	require.NoError(r.t, err)
}

func (r *mirrorRig) up(id core.MitraID, epoch int64) {
	r.t.Helper()
	_, err := r.mirror.SocketsUp(r.t.Context(), []presence.Socket{{MitraID: id, Epoch: epoch}})
	require.NoError(r.t, err)
}

func (r *mirrorRig) down(id core.MitraID, epoch int64, how presence.Drop, at time.Time) {
	r.t.Helper()
	require.NoError(r.t, r.mirror.SocketsDown(r.t.Context(), []presence.Dropped{
		{Socket: presence.Socket{MitraID: id, Epoch: epoch}, How: how, At: at},
	}))
}

// count is the available count, counted now.
func (r *mirrorRig) count() int {
	r.t.Helper()
	now, _, err := r.mirror.Recount(r.t.Context())
	require.NoError(r.t, err)
	return now.Count
}

func (r *mirrorRig) candidates(k int, exclude ...core.MitraID) []core.MitraID {
	r.t.Helper()
	ids, err := r.mirror.FindAvailable(r.t.Context(), k, exclude)
	require.NoError(r.t, err)
	return ids
}

// ms is a time as it comes back from Valkey.
func ms(at time.Time) time.Time { return time.UnixMilli(at.UnixMilli()) }

// online is a mitra that can take a session, as Postgres says it.
func online(version int64) presence.Mitra {
	return presence.Mitra{
		ID: core.NewID[core.MitraID](), Mode: presence.Online, Active: true, MaxCapacity: 1,
		AvailableSince: time.UnixMilli(1_700_000_000_000), Version: version,
	}
}
