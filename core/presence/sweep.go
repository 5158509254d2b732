package presence

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	offlineLease   = "auto-offline"
	heartbeatLease = "heartbeat-mirror"
	// sightGood is how long what was read of heartbeats may be acted on: a process that was stopped in between must not.
	sightGood = 10 * time.Second
	// saveBatch is about how many heartbeats one statement saves.
	saveBatch = 10_000
	// offlineChunk is how many mitras one statement takes offline.
	offlineChunk = 1000
)

// runOfflineSweep sets online mitras offline who are silent in Valkey and in Postgres.
func (s *Service) runOfflineSweep(ctx context.Context) {
	s.every(ctx, s.cfg.OfflineSweep, offlineLease, s.sweepOffline)
}

// runHeartbeatSweep brings Valkey's heartbeats to Postgres.
func (s *Service) runHeartbeatSweep(ctx context.Context) {
	s.every(ctx, s.cfg.HeartbeatSweep, heartbeatLease, s.sweepHeartbeats)
}

// every runs a sweep on one instance in each interval.
func (s *Service) every(ctx context.Context, interval time.Duration, lease string, sweep func(context.Context) error) {
	outage := core.Outage{Log: s.log, What: "the sweep " + lease}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !s.mirror.Up() {
			continue
		}
		ours, err := s.mirror.Lease(ctx, lease, interval*9/10)
		if err == nil && ours {
			err = sweep(ctx)
		}
		if err != nil {
			s.failed(err)
		}
		_ = outage.Note(ctx, err) // noted is handled
	}
}

// sweepOffline never guesses: it looks at everybody first, any error ends it whole, and it takes nobody offline while something happened
// lately that makes heartbeats look old. Postgres has the last word, in the statement that changes the mode.
func (s *Service) sweepOffline(ctx context.Context) error {
	calm := s.calm.holds()
	sight, cancel := context.WithTimeout(ctx, sightGood)
	defer cancel()
	var silent []core.MitraID
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		beats, next, err := s.mirror.Online(sight, cursor)
		if err != nil {
			return err
		}
		if err := s.recall(sight, beats); err != nil {
			return err
		}
		silent = append(silent, s.silent(beats)...)
		cursor = next
	}
	if !calm {
		s.counters.sweepsSkipped.Add(1)
		return nil
	}
	for ids := range slices.Chunk(silent, offlineChunk) {
		if !s.calm.holds() {
			s.counters.sweepsSkipped.Add(1)
			return nil
		}
		if err := s.takeOffline(sight, ids); err != nil {
			return err
		}
	}
	return nil
}

// recall brings to the mirror what Postgres has heard later of mitras who have been quiet here: their instance is cut off from Valkey, not
// they from it, and so they go on being counted and asked.
func (s *Service) recall(ctx context.Context, beats []Heartbeat) error {
	here := make(map[core.MitraID]time.Time)
	for _, beat := range beats {
		if !beat.At.IsZero() && s.clock().Sub(beat.At) >= s.cfg.quiet() { // without one: its app said goodbye
			here[beat.MitraID] = beat.At
		}
	}
	for ids := range slices.Chunk(slices.Collect(maps.Keys(here)), writeChunk) {
		mitras, err := s.truth.Mitras(ctx, ids)
		if err != nil {
			return err
		}
		var later []Heartbeat
		for _, m := range mitras {
			if m.LastHeartbeatAt.Sub(here[m.ID]) >= s.cfg.saveEvery()/2 { // less is what the stores' clocks may be apart
				later = append(later, Heartbeat{MitraID: m.ID, At: earlier(m.LastHeartbeatAt, s.clock())})
			}
		}
		if len(later) == 0 {
			continue
		}
		if err := s.mirror.BeatLate(ctx, later); err != nil {
			return err
		}
		s.counters.beatsRecalled.Add(uint64(len(later)))
		wake(s.recountNow)
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// silent picks those whose heartbeat is stale or missing.
func (s *Service) silent(beats []Heartbeat) []core.MitraID {
	var ids []core.MitraID
	now := s.clock()
	for _, beat := range beats {
		if now.Sub(beat.At) >= s.cfg.Stale && !s.sockets.beatWithin(beat.MitraID, now.Add(-s.cfg.Stale)) {
			ids = append(ids, beat.MitraID)
		}
	}
	return ids
}

func (s *Service) takeOffline(ctx context.Context, ids []core.MitraID) error {
	taken, err := s.beats.TakeOffline(ctx, ids, s.cfg.Stale)
	if err != nil {
		return err
	}
	if len(taken) > 0 {
		s.counters.takenOffline.Add(uint64(len(taken)))
		s.log.Info("silent mitras are offline now", "mitras", len(taken))
		s.Touch(taken)
	}
	return nil
}

// sweepHeartbeats writes all heartbeats of the online mitras to Postgres: the fallbacks read them there.
func (s *Service) sweepHeartbeats(ctx context.Context) error {
	var beats []Heartbeat
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		part, next, err := s.mirror.Online(ctx, cursor)
		if err != nil {
			return err
		}
		for _, beat := range part {
			if !beat.At.IsZero() {
				beats = append(beats, beat)
			}
		}
		if cursor = next; len(beats) >= saveBatch || cursor == 0 {
			if err := s.storeBeats(ctx, beats); err != nil {
				return err
			}
			beats = beats[:0]
		}
	}
	return nil
}

func (s *Service) storeBeats(ctx context.Context, beats []Heartbeat) error {
	if len(beats) == 0 {
		return nil
	}
	deactivated, err := s.beats.SaveHeartbeats(ctx, beats, s.clock())
	if len(deactivated) > 0 {
		s.audience.Deactivated(deactivated)
	}
	if err == nil {
		s.counters.beatsSaved.Add(uint64(len(beats)))
	}
	return err
}
