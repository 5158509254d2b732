package presence

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	seed := func(t *testing.T, prepare func(r *rig), check func(t *testing.T, r *rig, err error)) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newService()
			r.valkey.pulse.Epoch = ""
			prepare(r)
			check(t, r, r.Seed(t.Context()))
		})
	}

	t.Run("OK", func(t *testing.T) {
		seed(t, func(r *rig) {
			for range seedPage + 10 {
				r.postgres.add(nil)
			}
		}, func(t *testing.T, r *rig, err error) {
			require.NoError(t, err)
			require.Len(t, r.valkey.writes, seedPage+10)
			require.NotEmpty(t, r.valkey.pulse.Epoch)
		})
	})

	t.Run("AnotherIsAtIt", func(t *testing.T) {
		seed(t, func(r *rig) {
			r.valkey.seedToken = "another's"
			time.AfterFunc(time.Second, func() {
				change(&r.valkey.mu, func() { r.valkey.pulse.Epoch, r.valkey.seedToken = "e9", "" })
			})
		}, func(t *testing.T, r *rig, err error) {
			require.NoError(t, err)
			require.Zero(t, r.valkey.seeds)
		})
	})

	t.Run("EmptiedMeanwhile", func(t *testing.T) {
		seed(t, func(r *rig) {
			r.postgres.add(nil)
			r.valkey.emptyAtSeed = func() { r.valkey.seedToken = "" }
		}, func(t *testing.T, r *rig, err error) {
			require.NoError(t, err)
			require.Equal(t, 2, r.valkey.seeds)
		})
	})

	t.Run("ErrDown", func(t *testing.T) {
		seed(t, func(r *rig) { r.valkey.err = errValkey }, func(t *testing.T, _ *rig, err error) {
			require.ErrorIs(t, err, errValkey)
		})
	})

	t.Run("RestoredDatabase", func(t *testing.T) {
		var id, newer core.MitraID
		seed(t, func(r *rig) {
			r.valkey.pulse.Epoch = "e1"
			id, newer = r.postgres.add(nil), r.postgres.add(nil)
			r.valkey.versions[id] = 40
			r.valkey.versions[newer] = 1
			r.valkey.strangersLeft = []core.MitraID{id, core.NewID[core.MitraID]()}
		}, func(t *testing.T, r *rig, err error) {
			require.NoError(t, err)
			require.EqualValues(t, 1, r.valkey.versions[id])
			require.Equal(t, r.valkey.strangersLeft[1:], r.valkey.removed)
			require.Equal(t, uint64(2), r.Stats().Mended)
		})
	})
}

func TestReseed(t *testing.T) {
	t.Run("SaysWhatItMended", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newService()
			var log strings.Builder
			r.log = slog.New(slog.NewTextHandler(&log, nil))
			drifted := r.postgres.add(func(m *Mitra) { m.Version = 5 })
			stranger := core.NewID[core.MitraID]()
			r.valkey.strangersLeft = []core.MitraID{stranger}
			r.valkey.versions[drifted] = 3
			require.NoError(t, r.Seed(t.Context()))
			require.Equal(t, uint64(2), r.Stats().Mended)
			require.Contains(t, log.String(), drifted.String())
			require.Contains(t, log.String(), stranger.String())
			require.Equal(t, 1, strings.Count(log.String(), "\n"))
			require.Zero(t, r.valkey.renewed)
		})
	})

	t.Run("WrongTypesHaveEverybodySendAgain", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			r.connected(t)
			pass(2 * time.Second)
			change(&r.valkey.mu, func() {
				r.valkey.spoiled, r.valkey.up = []string{"mitras:sockets"}, nil
				clear(r.valkey.sockets)
			})
			require.NoError(t, r.Seed(t.Context()))
			pass(2 * watchEvery)
			require.Equal(t, 1, r.valkey.renewed)
			require.Len(t, r.valkey.up, 1)
		})
	})

	// lost has the watchdog find that Valkey was away, while another instance holds the lease of the reseed that follows.
	lost := func(r *rig) {
		change(&r.valkey.mu, func() { r.valkey.holder = false; r.valkey.pulse.Subscriptions++ })
		pass(2 * watchEvery)
	}
	t.Run("AnotherDiesAtIt", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			change(&r.valkey.mu, func() { r.valkey.pulse.Subscriptions = 1 })
			pass(2 * watchEvery)
			drifted := r.postgres.add(func(m *Mitra) { m.Version = 5 })
			lost(r)
			require.Zero(t, look(&r.valkey.mu, func() int64 { return r.valkey.versions[drifted] }), "the other one does it")
			change(&r.valkey.mu, func() { r.valkey.holder = true })
			pass(2 * watchEvery)
			require.EqualValues(t, 5, look(&r.valkey.mu, func() int64 { return r.valkey.versions[drifted] }), "long before the sweep")
		})
	})

	t.Run("AnotherHasDoneIt", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			change(&r.valkey.mu, func() { r.valkey.pulse.Subscriptions = 1 })
			pass(2 * watchEvery)
			before := r.Stats().Reseeds
			lost(r)
			change(&r.valkey.mu, func() { r.valkey.holder, r.valkey.reseeded = true, time.Now() })
			pass(r.cfg.MirrorSweep / 2)
			require.Equal(t, before, r.Stats().Reseeds)
			change(&r.valkey.mu, func() { r.valkey.reseeded = time.Now() })
			pass(r.cfg.MirrorSweep / 2)
			require.Equal(t, before, r.Stats().Reseeds, "nor in its own sweep")
			pass(r.cfg.MirrorSweep)
			require.Equal(t, before+1, r.Stats().Reseeds)
		})
	})

	t.Run("SocketsAreConfirmed", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id, _ := r.connected(t)
			pass(2 * time.Second)
			change(&r.valkey.mu, func() { clear(r.valkey.sockets); clear(r.valkey.writes) })
			pass(r.cfg.MirrorSweep + time.Second)
			require.True(t, look(&r.valkey.mu, func() bool { return r.valkey.sockets[id] }), "somebody deleted it")
			require.Equal(t, 2, look(&r.valkey.mu, func() int { return len(r.valkey.writes[id]) }), "by the sweep, and again with its socket")
		})
	})
}
