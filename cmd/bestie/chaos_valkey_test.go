package main

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/protocol"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

func valkeyTrials() []trial {
	return []trial{
		{name: "valkey is killed and comes back empty", run: valkeyKilled},
		{name: "valkey is frozen", run: valkeyFrozen},
		{name: "the subscriptions are lost and valkey is emptied", run: valkeyEmptied},
		{name: "valkey is slow and then behind a narrow line", run: valkeyWorse},
		{name: "one instance is cut off from valkey", run: valkeyCut},
		{name: "valkey fails over", run: valkeyFailsOver},
	}
}

// While Valkey is away everything comes from Postgres, readiness says so, and who is deactivated is disconnected all the same.
func valkeyKilled(a *arena) {
	a.inside()
	a.slowest = time.Second
	a.play(func() {
		g := a.guest(a.b)
		a.until(func() bool { return g.is(`mode = 'online'`) }, "the guest to be online")
		require.Empty(a.t, a.b.degraded())
		require.NoError(a.t, a.valkey.Kill())
		a.until(func() bool { return len(a.b.degraded()) == 3 }, "readiness to say that valkey, bus and mirror are out")
		asked := a.b.inside.program.presence.Stats().Reads.Find.Postgres
		a.pairs(3)
		a.until(func() bool { return a.b.inside.program.presence.Stats().Reads.Find.Postgres > asked }, "candidates by Postgres")
		// As an instance does that dies before it can tell anybody.
		pgtest.Exec(a.t, a.adminURL, `update mitras set is_active = false, version = version + 1 where id = $1`, g.id.String())
		g.mustClose(protocol.CloseInactive)
		a.hold(a.times.pick(time.Second, time.Minute))
		require.NoError(a.t, a.valkey.Start(context.Background()))
		a.until(func() bool { return len(a.b.degraded()) == 0 }, "readiness to be whole again")
	})
}

// Time-outs, not hangs; and what beat meanwhile counts afterwards.
func valkeyFrozen(a *arena) {
	a.inside()
	a.slowest = time.Second
	a.play(func() {
		require.NoError(a.t, a.valkey.Pause())
		a.pairs(3)
		a.hold(a.times.pick(3*time.Second, 10*time.Second))
		require.NoError(a.t, a.valkey.Resume())
	})
}

func valkeyEmptied(a *arena) {
	a.inside()
	a.slowest = time.Second
	conn := valkeytest.Dial(a.t, a.valkey.URL())
	a.play(func() {
		for range 5 {
			require.NoError(a.t, conn.Do(context.Background(), conn.B().ClientKill().TypePubsub().Build()).Error())
			a.pairs(2)
		}
		require.NoError(a.t, conn.Do(context.Background(), conn.B().Flushall().Build()).Error())
	})
}

func valkeyWorse(a *arena) {
	a.inside()
	a.slowest = time.Second
	a.play(func() {
		for _, line := range []fault.Mode{{Delay: 500 * time.Millisecond}, {BytesPerSecond: 5000}} {
			for _, s := range []*stand{a.a, a.b} {
				s.valkey.Set(line)
			}
			a.pairs(3)
			a.hold(a.times.pick(3*time.Second, 30*time.Second))
		}
		for _, s := range []*stand{a.a, a.b} {
			s.valkey.Heal()
		}
	})
}

// The others do not take its mitras offline, also when it lasts longer than they would wait for them, and count them; people are paired on
// both sides and across.
func valkeyCut(a *arena) {
	a.inside()
	a.slowest = time.Second
	mirror := valkeytest.Dial(a.t, a.valkey.URL())
	a.play(func() {
		g := a.guest(a.b)
		a.until(func() bool { return g.counted(mirror) }, "the guest to be counted")
		a.b.valkey.Set(fault.Silence)
		a.pairs(3)
		a.hold(a.times.staleLimit() + a.times.pick(2*time.Second, 30*time.Second))
		a.until(func() bool { return g.counted(mirror) }, "the guest to be counted by the instance that has its way")
		a.pairs(3)
		a.b.valkey.Heal()
		g.leave()
	})
}

// A sentinel puts a replica in the master's place, which may lack the last writes; a cluster's fail-over is tested with the mirror alone, in
// store/valkey.
func valkeyFailsOver(a *arena) {
	watched := valkeytest.Sentinel(a.t)
	a.a.valkeyURL, a.b.valkeyURL = watched.URL(), watched.URL()
	a.inside()
	a.slowest = time.Second
	a.play(func() {
		require.NoError(a.t, watched.First.Kill())
		a.until(func() bool { return len(a.a.degraded()) > 0 && len(a.b.degraded()) > 0 }, "the loss to be seen")
		a.pairs(3)
		a.until(func() bool { return len(a.a.degraded()) == 0 && len(a.b.degraded()) == 0 }, "the replica to serve")
	})
}
