package valkey_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/local"
	"github.com/halobestie/bestie-gateway/store/valkey"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// tooLong is for two questions on a machine that has no time: each call of Valkey's has 250 ms, and one that hangs has none.
const tooLong = 10 * time.Second

// failOverPatience is how long a fail-over may take on a busy machine.
const failOverPatience = time.Minute

// crowd is mitras with sockets on two instances, all of whom beat, and customers who ask without pause.
type crowd struct {
	t       *testing.T
	ledger  *ledger
	a, b    *instance
	raw     driver.Client
	prefix  string
	sockets map[core.MitraID]int64
	at      map[core.MitraID]*instance

	mu     sync.Mutex
	wrongs []string // answers that no customer should get
}

func newCrowd(t *testing.T, url, prefix string, mitras int) *crowd {
	t.Helper()
	c := &crowd{
		t: t, ledger: newLedger(), raw: valkeytest.Dial(t, url), prefix: prefix,
		sockets: make(map[core.MitraID]int64), at: make(map[core.MitraID]*instance),
	}
	c.a = start(t, url, prefix, c.ledger, presence.Config{})
	c.b = start(t, url, prefix, c.ledger, presence.Config{})
	for i := range mitras {
		id := c.ledger.add()
		c.at[id] = []*instance{c.a, c.b}[i%2]
		m, err := c.at[id].Connect(t.Context(), id)
		require.NoError(t, err)
		c.sockets[id] = m.ConnectionEpoch
	}
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	t.Cleanup(func() { cancel(); load.Wait() })
	load.Go(func() { c.beat(ctx) })
	c.heals("at the start")
	for _, i := range []*instance{c.a, c.b} {
		load.Go(func() { c.ask(ctx, i) })
	}
	return c
}

// beat has everybody show life, each where its socket is.
func (c *crowd) beat(ctx context.Context) {
	for ctx.Err() == nil {
		for id, i := range c.at {
			i.Alive(id)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ask asks the questions of the hot path: each is answered, soon, by the mirror or by Postgres.
func (c *crowd) ask(ctx context.Context, i *instance) {
	for ctx.Err() == nil {
		began := time.Now()
		now, err := i.Available(ctx)
		_, findErr := i.FindAvailable(ctx, 5, nil)
		took := time.Since(began)
		if ctx.Err() != nil {
			return
		}
		if err != nil || findErr != nil || took > tooLong || now.Count == 0 {
			c.mu.Lock()
			c.wrongs = append(c.wrongs, fmt.Sprint(now.Count, err, findErr, took))
			c.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// heals waits until the mirror is as Postgres and the sockets have it, and both instances hear each other.
func (c *crowd) heals(why string) {
	c.t.Helper()
	var left []string
	if !c.holds(func() bool {
		c.ledger.mu.Lock()
		mitras := slices.Collect(maps.Values(c.ledger.mitras))
		c.ledger.mu.Unlock()
		left = differences(c.raw, c.prefix, mitras, c.sockets)
		return len(left) == 0 && c.a.Degraded() == "" && c.b.Degraded() == "" && c.a.client.Bus().Live() && c.b.client.Bus().Live()
	}) {
		require.Failf(c.t, why, "%s", strings.Join(left[:min(len(left), 10)], "\n"))
	}
	require.Empty(c.t, c.ledger.takenOffline(), "nobody is taken offline by an outage")
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(c.t, c.wrongs, "every question is answered")
}

func (c *crowd) holds(is func() bool) bool {
	for deadline := time.Now().Add(failOverPatience); time.Now().Before(deadline); {
		if is() {
			return true
		}
		<-time.After(20 * time.Millisecond)
	}
	return false
}

// change makes a transition of every mitra, half of whom get a session.
func (c *crowd) change() {
	for i, id := range slices.SortedFunc(maps.Keys(c.sockets), func(a, b core.MitraID) int { return slices.Compare(a[:], b[:]) }) {
		c.ledger.change(id, func(m *presence.Mitra) { m.Capacity = i % 2 })
		c.a.Touch([]core.MitraID{id})
	}
}

// crosses publishes an event at one instance and waits until the other has it.
func (c *crowd) crosses(id int64) {
	c.t.Helper()
	for n := range int64(core.EventChannels) { // as many addressees, so most channels carry one
		e := event(c.t, id+n)
		require.True(c.t, c.holds(func() bool { return c.a.client.Bus().Publish(c.t.Context(), []core.Event{e}) == nil }))
		for await(c.t, c.b.bus.events).ID != e.ID { // what timed out may have come, too
		}
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := valkeytest.Cluster(t)
	const prefix = "{halo}:"
	c := newCrowd(t, cluster.URL(), prefix, 40)
	c.crosses(1)

	// The replica of the mirror's master loses touch, the master takes transitions that only it knows, and dies.
	master, err := cluster.Master(t.Context(), prefix)
	require.NoError(t, err)
	replica := replicaOf(t, cluster, master)
	seen := c.a.client.Bus().Stats().Subscriptions
	require.NoError(t, replica.Pause())
	at := single(t, master)
	require.NoError(t, at.Do(t.Context(), at.B().Arbitrary("CLIENT", "KILL", "TYPE", "replica").Build()).Error())
	c.change()
	require.True(t, c.holds(func() bool { return c.a.Stats().Writes > 0 }))
	require.NoError(t, master.Kill())
	c.change() // while nobody can mirror it
	require.NoError(t, replica.Resume())
	c.heals("after the fail-over")
	next, err := cluster.Master(t.Context(), prefix)
	require.NoError(t, err)
	require.Same(t, replica, next)
	require.Greater(t, c.a.client.Bus().Stats().Subscriptions, seen, "the instances were told that something may be missing")
	c.crosses(1000)

	// The old master comes back as a replica, and takes over again without anybody dying.
	require.NoError(t, master.Start(t.Context()))
	seen = c.a.client.Bus().Stats().Subscriptions
	back := single(t, master)
	require.True(t, c.holds(func() bool {
		_ = back.Do(context.Background(), back.B().Arbitrary("CLUSTER", "FAILOVER").Build()).Error()
		now, err := cluster.Master(context.Background(), prefix)
		return err == nil && now == master
	}))
	c.change()
	require.True(t, c.holds(func() bool { return c.a.client.Bus().Stats().Subscriptions > seen }), "the channels moved")
	c.heals("after the way back")
	c.crosses(2000)
}

// replicaOf finds the node that follows another.
func replicaOf(t *testing.T, cluster *local.ValkeyCluster, master *local.Server) *local.Server {
	t.Helper()
	at := single(t, master)
	role, err := at.Do(t.Context(), at.B().Role().Build()).ToArray()
	require.NoError(t, err)
	followers, err := role[2].ToArray()
	require.NoError(t, err)
	require.Len(t, followers, 1)
	address, err := followers[0].AsStrSlice()
	require.NoError(t, err)
	for _, node := range cluster.Nodes() {
		if strings.Contains(node.URL(), "@"+address[0]+":"+address[1]+"/") {
			return node
		}
	}
	require.FailNow(t, "no replica")
	return nil
}

// single talks to one node alone.
func single(t *testing.T, node *local.Server) driver.Client {
	t.Helper()
	option, err := driver.ParseURL(node.URL())
	require.NoError(t, err)
	option.ForceSingleClient, option.DisableCache = true, true
	client, err := driver.NewClient(option)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func TestClusterWantsAHashTag(t *testing.T) {
	t.Parallel()
	cluster := valkeytest.Cluster(t)
	for _, prefix := range []string{"", "halo:", "{}halo:", "}halo{:"} {
		_, err := valkey.Open(cluster.URL(), prefix, core.SystemClock, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "hash tag", prefix)
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := valkeytest.Sentinel(t)
	c := newCrowd(t, s.URL(), "", 20)
	c.crosses(1)

	require.NoError(t, s.First.Kill())
	c.change()
	c.heals("after the fail-over")
	c.crosses(1000)

	require.NoError(t, s.First.Start(t.Context())) // an empty master, until the sentinel makes a replica of it
	c.change()
	c.heals("after the old master came back")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	url, caFile := valkeytest.TLS(t)
	client, err := valkey.Open(url, "", core.SystemClock, slog.New(slog.DiscardHandler))
	require.NoError(t, err, "who does not answer as wanted is out, and no reason not to start")
	defer client.Close()
	require.False(t, client.Up(), "nobody trusts the authority")

	l := newLedger()
	id := l.add()
	a, b := start(t, url+"?ca_file="+caFile, "", l, presence.Config{}), start(t, url+"?ca_file="+caFile, "", l, presence.Config{})
	_, err = a.Connect(t.Context(), id)
	require.NoError(t, err)
	eventually(t, func() bool { return sees(t, b, 1) && finds(t, b, id) })
	e := event(t, 1)
	eventually(t, func() bool { return a.client.Bus().Publish(t.Context(), []core.Event{e}) == nil })
	require.Equal(t, e, await(t, b.bus.events))
}

// A user of Valkey's who may do nothing dangerous but read its state is enough.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	server := valkeytest.Private(t)
	raw := valkeytest.Dial(t, server.URL())
	require.NoError(t, raw.Do(t.Context(), raw.B().Arbitrary("ACL", "SETUSER", "bestie", "on", ">p%ss w:rd",
		"~halo:*", "&halo:*", "+@all", "-@dangerous", "+info").Build()).Error())
	address := server.URL()[strings.LastIndexByte(server.URL(), '@')+1:]
	l := newLedger()
	id := l.add()
	for _, url := range []string{"redis://bestie:p%25ss%20w%3Ard@" + address, "redis://bestie:wrong@" + address} {
		client, err := valkey.Open(url, "halo:", core.SystemClock, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		if strings.Contains(url, "wrong") {
			require.False(t, client.Up())
		} else {
			answers(t, client)
		}
		client.Close()
	}
	url := "redis://bestie:p%25ss%20w%3Ard@" + address
	a, b := start(t, url, "halo:", l, presence.Config{}), start(t, url, "halo:", l, presence.Config{})
	_, err := a.Connect(t.Context(), id)
	require.NoError(t, err)
	eventually(t, func() bool { return a.client.ReportInstance(t.Context(), valkey.Instance{}) == nil })
	eventually(t, func() bool { return sees(t, b, 1) && finds(t, b, id) })
	eventually(t, func() bool { return b.Seed(t.Context()) == nil })
	e := event(t, 1)
	eventually(t, func() bool { return a.client.Bus().Publish(t.Context(), []core.Event{e}) == nil })
	require.Equal(t, e, await(t, b.bus.events))
}
