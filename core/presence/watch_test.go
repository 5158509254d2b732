package presence

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func TestReads(t *testing.T) {
	t.Run("MirrorFirst", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			change(&r.valkey.mu, func() { r.valkey.count = 4 })
			now, err := r.Available(t.Context())
			require.NoError(t, err)
			require.Equal(t, 4, now.Count)
			ids, err := r.FindAvailable(t.Context(), 5, nil)
			require.NoError(t, err)
			require.Empty(t, ids)
			_, err = r.IsReachable(t.Context(), core.MitraID{})
			require.NoError(t, err)
			_, err = r.Counts(t.Context())
			require.NoError(t, err)
			once := Sources{Mirror: 1}
			require.Equal(t, Reads{Available: once, Find: once, Reachable: once, Counts: once}, r.Stats().Reads)
		})
	})

	for name, failure := range map[string]func(v *valkey){
		"ErrValkey":   func(v *valkey) { v.err = errValkey },
		"ErrDown":     func(v *valkey) { v.err, v.down = errValkey, true },
		"ErrUnseeded": func(v *valkey) { v.pulse.Epoch, v.seedToken = "", "another's" },
	} {
		t.Run(name+"FallsBack", func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				change(&r.postgres.mu, func() { r.postgres.available = 9 })
				id := r.postgres.add(nil)
				change(&r.valkey.mu, func() { failure(r.valkey) })
				now, err := r.Available(t.Context())
				require.NoError(t, err)
				require.Equal(t, 9, now.Count)
				ids, err := r.FindAvailable(t.Context(), 5, nil)
				require.NoError(t, err)
				require.Equal(t, []core.MitraID{id}, ids)
				reachable, err := r.IsReachable(t.Context(), id)
				require.NoError(t, err)
				require.True(t, reachable)
				counts, err := r.Counts(t.Context())
				require.NoError(t, err)
				require.Equal(t, Counts{Online: 1, Available: 9}, counts)
				once := Sources{Postgres: 1}
				require.Equal(t, Reads{Available: once, Find: once, Reachable: once, Counts: once}, r.Stats().Reads)
				require.Equal(t, r.cfg.Stale+r.cfg.HeartbeatSweep, r.postgres.fresh, "widened by a mirror interval")
			})
		})
	}

	t.Run("OneCountInTenSeconds", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			r.outage(true)
			for range 100 {
				_, err := r.Available(t.Context())
				require.NoError(t, err)
				pass(100 * time.Millisecond)
			}
			require.LessOrEqual(t, r.postgres.counts, 2)
		})
	})

	t.Run("ErrBothOut", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			r.outage(true)
			change(&r.postgres.mu, func() { r.postgres.err = errPostgres })
			_, err := r.Available(t.Context())
			require.Equal(t, core.Unavailable, core.CodeOf(err))
			_, err = r.FindAvailable(t.Context(), 1, nil)
			require.Equal(t, core.Unavailable, core.CodeOf(err))
			_, err = r.Counts(t.Context())
			require.Equal(t, core.Unavailable, core.CodeOf(err))
		})
	})
}

func TestBeacon(t *testing.T) {
	t.Run("HolderAnnouncesWhatWentStale", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			pass(2 * time.Second)
			change(&r.valkey.mu, func() { r.valkey.count, r.valkey.announced = 3, nil })
			pass(beaconEvery)
			require.Len(t, r.valkey.announced, 1)
			require.Equal(t, 3, r.valkey.announced[0].Count)
			require.Empty(t, r.told.counts, "it comes over the bus")
		})
	})

	t.Run("LostAnnouncementIsOwed", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			change(&r.valkey.mu, func() { r.valkey.holder = false })
			b := &beacon{Service: r.Service}
			change(&r.valkey.mu, func() { r.valkey.announced, r.valkey.count = nil, 5 })
			b.owed = &Availability{Count: 5}
			b.tick(t.Context())
			require.Nil(t, b.owed)
			require.Len(t, r.valkey.announced, 1)
		})
	})

	t.Run("DeafInstanceTellsItsOwnAudience", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			change(&r.valkey.mu, func() { r.valkey.deaf, r.valkey.count = true, 6 })
			pass(3 * time.Second)
			require.Equal(t, []int{6}, look(&r.told.mu, func() []int { return r.told.counts }))
		})
	})

	t.Run("FallbackEveryTenSeconds", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			change(&r.postgres.mu, func() { r.postgres.available = 8 })
			r.outage(true)
			pass(31 * time.Second)
			require.Equal(t, []int{8, 8, 8, 8}[:len(r.told.counts)], r.told.counts)
			require.InDelta(t, 3, len(r.told.counts), 1)
		})
	})
}

func TestWatchdog(t *testing.T) {
	t.Run("Emptied", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id, _ := r.connected(t)
			pass(2 * time.Second)
			change(&r.valkey.mu, func() {
				r.valkey.pulse.Epoch = ""
				r.valkey.up, r.valkey.writes = nil, make(map[core.MitraID][]Mitra)
			})
			pass(watchEvery + 100*time.Millisecond)
			require.Contains(t, mitrasOf(look(&r.valkey.mu, func() []Socket { return r.valkey.up })), id, "before readers may look")
			require.Empty(t, look(&r.valkey.mu, func() string { return r.valkey.pulse.Epoch }))
			pass(2 * watchEvery)
			require.NotEmpty(t, r.valkey.pulse.Epoch, "seeded")
			pass(watchEvery)
			require.Empty(t, r.Degraded())
			require.Equal(t, id, r.valkey.up[len(r.valkey.up)-1].MitraID)
			require.GreaterOrEqual(t, len(r.valkey.writes[id]), 2, "by the seed, and again with its socket")
		})
	})

	t.Run("SeededByAnother", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			r.connected(t)
			pass(2 * time.Second)
			change(&r.valkey.mu, func() { r.valkey.pulse.Epoch, r.valkey.up = "e2", nil })
			pass(2 * watchEvery)
			require.Len(t, r.valkey.up, 1)
			require.Zero(t, r.valkey.seeds)
		})
	})

	t.Run("Resubscribed", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			r.connected(t)
			pass(2 * time.Second)
			change(&r.valkey.mu, func() { r.valkey.pulse.Subscriptions, r.valkey.up = 2, nil })
			pass(2 * watchEvery)
			require.Len(t, r.valkey.up, 1)
			require.Equal(t, uint64(1), r.Stats().Reseeds)
		})
	})

	t.Run("DownAtStart", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newService()
			r.valkey.pulse.Epoch = ""
			r.outage(true)
			require.Error(t, r.Seed(t.Context()))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = r.Run(ctx, r.told, r.told) }()
			r.connected(t)
			pass(10 * time.Second)
			require.NotEmpty(t, r.Degraded())
			r.outage(false)
			pass(5 * time.Second)
			require.Equal(t, 1, r.valkey.seeds)
			require.NotEmpty(t, r.valkey.up)
			require.Empty(t, r.Degraded())
			cancel()
			<-done
		})
	})
}

func TestAutoOffline(t *testing.T) {
	offline := func(r *rig) [][]core.MitraID {
		return look(&r.postgres.mu, func() [][]core.MitraID { return r.postgres.offline })
	}
	// silentMitras are online, and were last heard of long ago or never.
	silentMitras := func(r *rig, n int) {
		change(&r.valkey.mu, func() {
			for i := range n {
				beat := Heartbeat{MitraID: core.NewID[core.MitraID]()}
				if i%2 == 0 {
					beat.At = time.Now().Add(-time.Hour)
				}
				r.valkey.online = append(r.valkey.online, beat)
			}
		})
	}

	t.Run("OK", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			silentMitras(r, 3)
			lively := core.NewID[core.MitraID]()
			change(&r.valkey.mu, func() {
				r.valkey.online = append(r.valkey.online, Heartbeat{lively, time.Now().Add(time.Hour)})
			})
			pass(r.cfg.Stale + r.cfg.OfflineSweep + time.Second)
			var taken []core.MitraID
			for _, ids := range offline(r) {
				taken = append(taken, ids...)
			}
			require.Len(t, taken, 3)
			require.NotContains(t, taken, lively)
			require.LessOrEqual(t, r.postgres.deadlines[0], sightGood, "what was read does not keep")
		})
	})

	t.Run("NotWithinAWindowOfTheStart", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			silentMitras(r, 3)
			pass(r.cfg.Stale - time.Second)
			require.Empty(t, offline(r))
		})
	})

	for name, disturb := range map[string]func(r *rig){
		"AnError":    func(r *rig) { r.outage(true); pass(2 * time.Second); r.outage(false) },
		"ANewEpoch":  func(r *rig) { change(&r.valkey.mu, func() { r.valkey.pulse.Epoch = "e2" }) },
		"AnEmptying": func(r *rig) { change(&r.valkey.mu, func() { r.valkey.pulse.Epoch = "" }) },
		"APause": func(r *rig) {
			change(&r.calm.mu, func() { r.calm.looked = r.calm.looked.Add(-time.Minute) })
		},
	} {
		t.Run("NotWithinAWindowOf"+name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				pass(r.cfg.Stale + 10*time.Second) // the next sweep is due 5 s from here
				disturb(r)
				silentMitras(r, 3)
				pass(r.cfg.Stale - 3*time.Second)
				require.Empty(t, offline(r))
				pass(r.cfg.OfflineSweep + 5*time.Second)
				require.NotEmpty(t, offline(r))
			})
		})
	}

	t.Run("StopsWholeOnAnError", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			silentMitras(r, 6)
			change(&r.valkey.mu, func() { r.valkey.onlineErrAt = 2 })
			pass(r.cfg.Stale + r.cfg.OfflineSweep + time.Second)
			require.Empty(t, offline(r), "also those whom it had seen before")
		})
	})

	t.Run("HeardInPostgresOnly", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			pass(r.cfg.Stale + 10*time.Second) // the next sweep is due 5 s from here
			now := time.Now()
			saved := r.postgres.add(func(m *Mitra) { m.LastHeartbeatAt = now })
			same := r.postgres.add(func(m *Mitra) { m.LastHeartbeatAt = now.Add(-29 * time.Second) })
			left := r.postgres.add(func(m *Mitra) { m.LastHeartbeatAt = now })
			change(&r.valkey.mu, func() {
				r.valkey.online = []Heartbeat{{saved, now.Add(-30 * time.Second)}, {same, now.Add(-30 * time.Second)}, {MitraID: left}}
				r.valkey.pulse.Epoch = "e2" // nobody is taken offline for a while, and this harms nobody
			})
			pass(6 * time.Second)
			require.Equal(t, [][]Heartbeat{{{saved, now}}}, look(&r.valkey.mu, func() [][]Heartbeat { return r.valkey.late }))
			require.Equal(t, uint64(1), r.Stats().BeatsRecalled)
		})
	})

	t.Run("WokenBeforeTheWatchdog", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newService()
			r.calm.look(r.cfg.Stale)
			time.Sleep(time.Minute)
			silentMitras(r, 2)
			require.NoError(t, r.sweepOffline(t.Context()))
			require.Empty(t, offline(r))
			require.Equal(t, uint64(1), r.Stats().SweepsSkipped)
		})
	})
}

func TestHeartbeatMirror(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		id, at := core.NewID[core.MitraID](), time.Now()
		change(&r.valkey.mu, func() { r.valkey.online = []Heartbeat{{id, at}, {MitraID: core.NewID[core.MitraID]()}, {id, at}} })
		pass(r.cfg.HeartbeatSweep + time.Second)
		require.Equal(t, [][]Heartbeat{{{id, at}, {id, at}}}, r.saved())
	})
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	s := NewService(Config{Stale: time.Minute}, nil, nil, nil, nil, core.SystemClock, slog.New(slog.DiscardHandler))
	want := Defaults()
	want.Stale = time.Minute
	require.Equal(t, want, s.cfg)
}
