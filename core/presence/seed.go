package presence

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// seedTTL is how long a seeder may take for a page before another takes over.
	seedTTL = 5 * time.Second
	// seedWait is between two looks at another's seed, or two tries.
	seedWait = 200 * time.Millisecond
	// seedAgain is when a seed that failed is tried again.
	seedAgain = time.Second
	// seedPage is how many mitras a page of a seed holds.
	seedPage = 1000

	// tolerated is how many failures in a row may be time-outs: with one more of those the breaker would be open.
	tolerated = 3

	reseedLease = "reseed"
)

var errSeedLost = errors.New("presence: the mirror was emptied while it was seeded")

// Seed fills the mirror from Postgres: once, at the start, before the listeners are bound. A mirror that another instance has
// seeded is compared and mended. On an error the caller logs it and goes on: the service answers from Postgres, and the
// watchdog seeds when Valkey is there.
func (s *Service) Seed(ctx context.Context) error {
	for {
		pulse, err := s.mirror.Pulse(ctx)
		if s.failed(err) {
			return err
		}
		if pulse.Epoch != "" {
			return s.reseed(ctx)
		}
		token, err := s.mirror.BeginSeed(ctx, seedTTL)
		if s.failed(err) {
			return err
		}
		if token != "" {
			if err := s.fill(ctx, token); !errors.Is(err, errSeedLost) {
				return err
			}
		}
		select { // another is at it, or we lost it
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(seedWait):
		}
	}
}

// fill is a seed under its token.
func (s *Service) fill(ctx context.Context, token string) error {
	started, n := time.Now(), 0
	err := s.pages(ctx, func(mitras []Mitra) error {
		kept, err := s.mirror.KeepSeed(ctx, token, seedTTL)
		if s.failed(err) {
			return err
		}
		if !kept {
			return errSeedLost
		}
		n += len(mitras)
		_, err = s.mend(ctx, mitras)
		return err
	})
	if err != nil {
		return err
	}
	done, err := s.mirror.FinishSeed(ctx, token)
	if s.failed(err) {
		return err
	}
	if !done {
		return errSeedLost
	}
	s.counters.seeds.Add(1)
	s.log.Info("the mirror is seeded", "mitras", n, "took", time.Since(started))
	return nil
}

// pages reads all mitras of Postgres, a page at a time.
func (s *Service) pages(ctx context.Context, each func([]Mitra) error) error {
	var after core.MitraID
	for {
		mitras, err := s.truth.Page(ctx, after, seedPage)
		if err != nil {
			return err
		}
		if len(mitras) == 0 {
			return nil
		}
		if err := each(mitras); err != nil {
			return err
		}
		if len(mitras) < seedPage {
			return nil
		}
		after = mitras[len(mitras)-1].ID
	}
}

// mend writes mitras as Postgres has them and names those that differed. Where the mirror holds a higher version either we are
// late, or Postgres was restored from a backup: another look at Postgres tells.
func (s *Service) mend(ctx context.Context, mitras []Mitra) (drifted []core.MitraID, err error) {
	outcomes, err := s.mirror.Write(ctx, mitras, Mend, nil)
	if s.failed(err) {
		return nil, err
	}
	held := make(map[core.MitraID]int64)
	for i, outcome := range outcomes {
		switch {
		case outcome.Held != 0:
			held[mitras[i].ID] = outcome.Held
		case outcome.Changed != 0:
			drifted = append(drifted, mitras[i].ID)
		}
	}
	if len(held) == 0 {
		return drifted, nil
	}
	ids := make([]core.MitraID, 0, len(held))
	for id := range held {
		ids = append(ids, id)
	}
	again, err := s.truth.Mitras(ctx, ids)
	if err != nil {
		return drifted, err
	}
	again = slices.DeleteFunc(again, func(m Mitra) bool { return m.Version >= held[m.ID] })
	over := make([]int64, len(again))
	for i, mitra := range again {
		over[i] = held[mitra.ID]
		drifted = append(drifted, mitra.ID)
	}
	if len(again) > 0 {
		_, err = s.mirror.Write(ctx, again, Mend, over)
		s.failed(err)
	}
	return drifted, err
}

// reseed compares the mirror with Postgres and mends what drifted; one instance at a time does.
func (s *Service) reseed(ctx context.Context) error {
	ours, err := s.mirror.Lease(ctx, reseedLease, seedTTL)
	if s.failed(err) || !ours {
		return err
	}
	known := make(map[core.MitraID]struct{})
	var drifted []core.MitraID
	err = s.pages(ctx, func(mitras []Mitra) error {
		if _, err := s.mirror.Lease(ctx, reseedLease, seedTTL); s.failed(err) {
			return err
		}
		for _, mitra := range mitras {
			known[mitra.ID] = struct{}{}
		}
		part, err := s.mend(ctx, mitras)
		drifted = append(drifted, part...)
		return err
	})
	if err != nil {
		return err
	}
	removed, err := s.mirror.Strangers(ctx, func(ctx context.Context, ids []core.MitraID) ([]core.MitraID, error) {
		return s.strangers(ctx, ids, known)
	})
	s.counters.reseeds.Add(1)
	s.counters.drifted.Add(uint64(len(drifted) + removed))
	if len(drifted)+removed > 0 {
		s.log.Warn("the mirror had drifted and is mended", "mitras", len(drifted), "which", drifted[:min(len(drifted), 20)], "strangers", removed)
		wake(s.recountNow)
	}
	if s.failed(err) {
		return err
	}
	return nil
}

// strangers picks the ids that Postgres does not know, also not as somebody who came after the pages were read.
func (s *Service) strangers(ctx context.Context, ids []core.MitraID, known map[core.MitraID]struct{}) ([]core.MitraID, error) {
	unknown := slices.DeleteFunc(ids, func(id core.MitraID) bool {
		_, ok := known[id]
		return ok
	})
	if len(unknown) == 0 {
		return nil, nil
	}
	there, err := s.truth.Mitras(ctx, unknown)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(unknown, func(id core.MitraID) bool {
		return slices.ContainsFunc(there, func(m Mitra) bool { return m.ID == id })
	}), nil
}

// runSeeder seeds when the watchdog asks for it and reseeds every MirrorSweep.
func (s *Service) runSeeder(ctx context.Context) {
	outage := core.Outage{Log: s.log, What: "seeding the mirror"}
	sweep := time.NewTicker(s.cfg.MirrorSweep)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.seedNow:
		case <-sweep.C:
			if !s.mirror.Up() {
				continue // the watchdog asks for a seed when it is back
			}
		}
		if outage.Note(ctx, s.Seed(ctx)) == nil || !s.mirror.Up() {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(seedAgain):
			wake(s.seedNow)
		}
	}
}

// refusals counts a loop's writes in a row that failed although Valkey answers: somebody put something else under one of the
// mirror's keys, most likely, and a reseed takes it away.
type refusals int

func (r *refusals) note(s *Service) {
	if !s.mirror.Up() {
		*r = 0
		return
	}
	if *r++; *r > tolerated {
		*r = 0
		wake(s.seedNow)
	}
}
