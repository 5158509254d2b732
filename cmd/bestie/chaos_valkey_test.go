package main

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

func valkeyTrials() []trial {
	return []trial{
		{"valkey is killed and comes back empty", valkeyKilled},
		{"valkey is frozen", valkeyFrozen},
		{"valkey is emptied", valkeyEmptied},
		{"valkey is slow", valkeySlow},
		{"one instance is cut off from valkey", valkeyCut},
		{"the subscriptions are lost", subscriptionsLost},
	}
}

func valkeyKilled(a *arena) {
	a.inside()
	a.play(func() {
		require.NoError(a.t, a.valkey.Kill())
		a.pairs(3)
		a.hold(a.times.pick(2*time.Second, time.Minute))
		require.NoError(a.t, a.valkey.Start(context.Background()))
	})
}

func valkeyFrozen(a *arena) {
	a.inside()
	a.play(func() {
		require.NoError(a.t, a.valkey.Pause())
		a.pairs(3)
		a.hold(a.times.pick(3*time.Second, 10*time.Second))
		require.NoError(a.t, a.valkey.Resume())
	})
}

func valkeyEmptied(a *arena) {
	a.inside()
	conn := valkeytest.Dial(a.t, a.valkey.URL())
	a.play(func() {
		require.NoError(a.t, conn.Do(context.Background(), conn.B().Flushall().Build()).Error())
	})
}

func valkeySlow(a *arena) {
	a.inside()
	a.play(func() {
		for _, s := range []*stand{a.a, a.b} {
			s.valkey.Set(fault.Mode{Delay: 500 * time.Millisecond})
		}
		a.pairs(3)
		a.hold(a.times.pick(3*time.Second, 30*time.Second))
		for _, s := range []*stand{a.a, a.b} {
			s.valkey.Heal()
		}
	})
}

func valkeyCut(a *arena) {
	a.inside()
	a.play(func() {
		a.b.valkey.Set(fault.Silence)
		a.pairs(3)
		a.hold(a.times.staleLimit() + 2*time.Second) // longer than the others would wait for its mitras
		a.b.valkey.Heal()
	})
}

func subscriptionsLost(a *arena) {
	a.inside()
	conn := valkeytest.Dial(a.t, a.valkey.URL())
	a.play(func() {
		for range 5 {
			require.NoError(a.t, conn.Do(context.Background(), conn.B().ClientKill().TypePubsub().Build()).Error())
			a.pairs(2)
		}
	})
}
