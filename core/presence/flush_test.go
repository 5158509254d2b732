package presence

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func (r *rig) beatsSent() [][]Heartbeat {
	return look(&r.valkey.mu, func() [][]Heartbeat { return r.valkey.beats })
}

func (r *rig) lateSent() [][]Heartbeat {
	return look(&r.valkey.mu, func() [][]Heartbeat { return r.valkey.late })
}

func (r *rig) saved() [][]Heartbeat {
	return look(&r.postgres.mu, func() [][]Heartbeat { return r.postgres.saved })
}

// connected opens a mitra's socket and lets the mirror learn of it.
func (r *rig) connected(t *testing.T) (core.MitraID, int64) {
	t.Helper()
	id := r.postgres.add(nil)
	m, err := r.Connect(t.Context(), id)
	require.NoError(t, err)
	synctest.Wait()
	return id, m.ConnectionEpoch
}

// outage opens or closes the breaker, and has the watchdog see it.
func (r *rig) outage(down bool) {
	change(&r.valkey.mu, func() {
		r.valkey.down = down
		r.valkey.err = nil
		if down {
			r.valkey.err = errValkey
		}
	})
}

func mitrasOf(sockets []Socket) (ids []core.MitraID) {
	for _, socket := range sockets {
		ids = append(ids, socket.MitraID)
	}
	return ids
}

func TestHeartbeats(t *testing.T) {
	t.Run("GatheredAndFlushed", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id := core.NewID[core.MitraID]()
			for range 5 {
				r.Alive(id)
			}
			pass(r.cfg.Flush)
			require.Len(t, r.beatsSent(), 1)
			require.Len(t, r.beatsSent()[0], 1)
			pass(time.Minute)
			require.Len(t, r.beatsSent(), 1, "nothing to say")
		})
	})

	t.Run("KeptForTheNextFlush", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id := core.NewID[core.MitraID]()
			change(&r.valkey.mu, func() { r.valkey.err = errValkey })
			r.Alive(id)
			pass(r.cfg.Flush)
			at := time.Now()
			pass(r.cfg.Flush)
			require.Empty(t, r.beatsSent())
			change(&r.valkey.mu, func() { r.valkey.err = nil })
			pass(r.cfg.Flush)
			require.Empty(t, r.beatsSent())
			require.Equal(t, [][]Heartbeat{{{id, at}}}, r.lateSent(), "with the time of the beat, unless a newer one stands there")
		})
	})

	t.Run("ForgottenAfterAPause", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newService()
			f := r.newFlusher()
			f.flush(t.Context())
			id := core.NewID[core.MitraID]()
			r.Alive(id)
			time.Sleep(30 * time.Second)
			f.flush(t.Context())
			require.Empty(t, r.beatsSent(), "the mitra may be elsewhere by now")
			r.Alive(id)
			f.flush(t.Context())
			require.Len(t, r.beatsSent(), 1)
		})
	})

	t.Run("TheDeactivatedAreTold", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id := core.NewID[core.MitraID]()
			change(&r.valkey.mu, func() { r.valkey.deactivated = []core.MitraID{id} })
			r.Alive(id)
			pass(r.cfg.Flush)
			require.Equal(t, []core.MitraID{id}, look(&r.told.mu, func() []core.MitraID { return r.told.deactivated }))
		})
	})

	t.Run("TheDropOvertakesTheBeat", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id, epoch := r.connected(t)
			before := len(r.beatsSent())
			r.Alive(id)
			r.Dropped(id, epoch, Suspect)
			pass(time.Second)
			require.Len(t, r.beatsSent(), before)
			require.Len(t, r.valkey.dropped, 1)
		})
	})
}

func TestConnect(t *testing.T) {
	t.Run("WaitsAndIsFreed", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id, epoch := r.connected(t)
			require.Len(t, r.beatsSent(), 1, "at once, before it is mirrored")
			require.Equal(t, []Socket{{id, epoch}}, r.valkey.up)
			require.Len(t, r.valkey.writes[id], 1)
			require.Equal(t, []core.MitraID{id}, r.told.freed)
			require.Equal(t, uint64(1), r.Stats().Sockets)
		})
	})

	t.Run("ErrUnavailable", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id := r.postgres.add(nil)
			change(&r.postgres.mu, func() { r.postgres.err = errPostgres })
			_, err := r.Connect(t.Context(), id)
			require.Equal(t, core.Unavailable, core.CodeOf(err))
			r.Dropped(id, 0, Suspect)
			pass(time.Second)
			require.Empty(t, r.valkey.up)
			require.Empty(t, r.valkey.dropped)
		})
	})

	t.Run("ReplacedSocketDropsLate", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id, epoch := r.connected(t)
			_, err := r.Connect(t.Context(), id)
			require.NoError(t, err)
			r.Dropped(id, epoch, Suspect)
			pass(time.Second)
			require.Empty(t, r.valkey.dropped)
		})
	})
}

func TestOutage(t *testing.T) {
	t.Run("HeartbeatsGoToPostgres", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id, _ := r.connected(t)
			change(&r.postgres.mu, func() { r.postgres.deactivated = []core.MitraID{id} })
			r.outage(true)
			pass(r.cfg.Flush)
			require.Len(t, r.saved(), 1, "when the breaker opens")
			require.Equal(t, id, r.saved()[0][0].MitraID)
			require.Contains(t, look(&r.told.mu, func() []core.MitraID { return r.told.deactivated }), id)
			for range 44 {
				r.Alive(id)
				pass(time.Second)
			}
			require.Len(t, r.saved(), 3, "every 15 s")
			last := r.saved()[2][0].At
			require.Less(t, time.Since(last), r.cfg.saveEvery()+2*time.Second, "with what was heard meanwhile")
		})
	})

	t.Run("EverythingIsSentAgain", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			stays, _ := r.connected(t)
			goes, epoch := r.connected(t)
			r.outage(true)
			r.Dropped(goes, epoch, Clean)
			comes, _ := r.connected(t)
			busy := r.postgres.add(func(m *Mitra) { m.Capacity = 1 })
			r.Touch([]core.MitraID{busy})
			pass(5 * time.Second)
			require.Empty(t, r.valkey.dropped)
			require.Empty(t, r.valkey.writes[busy])
			change(&r.valkey.mu, func() { r.valkey.up, r.valkey.beats = nil, nil })

			r.outage(false)
			pass(2 * time.Second)

			require.Subset(t, mitrasOf(r.valkey.up), []core.MitraID{stays, comes})
			require.NotContains(t, mitrasOf(r.valkey.up), goes)
			require.Len(t, r.valkey.dropped, 1)
			require.NotEmpty(t, r.valkey.writes[busy], "what was touched meanwhile")
			require.NotEmpty(t, r.lateSent())
			require.Equal(t, uint64(1), r.Stats().Reseeds)
		})
	})

	t.Run("FreedIsToldAllTheSame", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			here, _ := r.connected(t)
			lively := r.postgres.add(func(m *Mitra) { m.LastHeartbeatAt = time.Now() })
			silent := r.postgres.add(nil)
			r.outage(true)
			change(&r.told.mu, func() { r.told.freed = nil })
			r.Touch([]core.MitraID{here, lively, silent})
			synctest.Wait()
			require.ElementsMatch(t, []core.MitraID{here, lively}, r.told.freed)
		})
	})
}

func TestLastFlush(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		id, epoch := r.connected(t)
		r.Alive(id)
		r.Dropped(id, epoch, Suspect)
		r.stop()
		require.Len(t, r.valkey.dropped, 1, "a drained instance leaves its sockets as suspects")
	})
}

func TestTouch(t *testing.T) {
	t.Run("Gathered", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			var ids []core.MitraID
			for range 1500 {
				ids = append(ids, r.postgres.add(nil))
			}
			r.Touch(ids)
			synctest.Wait()
			require.Equal(t, 2, r.postgres.reads, "a thousand a statement")
			require.Len(t, r.valkey.writes, 1500)
			require.Empty(t, r.told.freed, "none has a socket")
		})
	})

	t.Run("PostgresIsTriedAgain", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id := r.postgres.add(nil)
			change(&r.postgres.mu, func() { r.postgres.err = errPostgres })
			r.Touch([]core.MitraID{id})
			pass(3 * time.Second)
			require.Empty(t, r.valkey.writes)
			change(&r.postgres.mu, func() { r.postgres.err = nil })
			pass(time.Second)
			require.Len(t, r.valkey.writes[id], 1)
		})
	})

	t.Run("OnlyThoseWhoCanTakeASessionAreFreed", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id, _ := r.connected(t)
			change(&r.told.mu, func() { r.told.freed = nil })
			change(&r.postgres.mu, func() {
				m := r.postgres.mitras[id]
				m.Capacity, m.Version = 1, m.Version+1
				r.postgres.mitras[id] = m
			})
			r.Touch([]core.MitraID{id})
			synctest.Wait()
			require.Empty(t, r.told.freed)
		})
	})
}

func TestSetMode(t *testing.T) {
	t.Run("HeartbeatComesFirst", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			id := r.postgres.add(func(m *Mitra) { m.Mode = Offline })
			m, err := r.SetMode(t.Context(), id, Online, 1)
			require.NoError(t, err)
			require.Equal(t, Online, m.Mode)
			synctest.Wait()
			require.Len(t, r.beatsSent(), 1)
		})
	})

	t.Run("ErrNoSuchMode", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			_, err := r.SetMode(t.Context(), r.postgres.add(nil), "away", 1)
			require.Equal(t, core.BadMessage, core.CodeOf(err))
		})
	})
}
