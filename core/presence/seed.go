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
	// seedTries is how often a page is tried before the seed begins anew: among thousands of calls one may well time out.
	seedTries = 5
	// seedPage is how many mitras a page of a seed holds.
	seedPage = 1000

	// tolerated is how many failures in a row may be time-outs: with one more of those the breaker would be open.
	tolerated = 3

	reseedLease = "reseed"
)

var errSeedLost = errors.New("presence: the mirror was emptied while it was seeded")

// Seed fills the mirror from Postgres: once, at the start, before the listeners are bound. A mirror that another instance has
// seeded is compared and mended, unless another is just doing that. On an error the caller logs it and goes on: the service
// answers from Postgres, and the watchdog seeds when Valkey is there.
func (s *Service) Seed(ctx context.Context) error { return s.seed(ctx, seeding{since: s.clock()}) }

// seeding says what a seed is to achieve.
type seeding struct {
	settle  time.Duration // how long instances get to send their sockets before the mirror is opened to readers
	since   time.Time     // of a seeded mirror: a reseed that began after it, by whomever, is enough
	insists bool          // one that another has under way is waited for, since it may die
}

func (s *Service) seed(ctx context.Context, want seeding) error {
	for {
		pulse, err := s.mirror.Pulse(ctx)
		if s.failed(err) {
			return err
		}
		if pulse.Epoch != "" {
			done, err := s.reseed(ctx, want.since)
			if done || err != nil || !want.insists {
				return err
			}
		} else {
			token, err := s.mirror.BeginSeed(ctx, seedTTL)
			if s.failed(err) {
				return err
			}
			if token != "" {
				if err := s.fill(ctx, token, want.settle); !errors.Is(err, errSeedLost) {
					return err
				}
			}
		}
		if err := wait(ctx, seedWait); err != nil { // another is at it, or we lost it
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// fill is a seed under its token.
func (s *Service) fill(ctx context.Context, token string, settle time.Duration) error {
	started, n := time.Now(), 0
	if _, err := s.mirror.Sound(ctx); s.failed(err) {
		return err
	}
	err := s.pages(ctx, func(mitras []Mitra) error {
		kept, err := s.mirror.KeepSeed(ctx, token, seedTTL)
		if s.failed(err) {
			return err
		}
		if !kept {
			return errSeedLost
		}
		if err := s.mend(ctx, mitras, new(drift)); err != nil {
			return err
		}
		n += len(mitras)
		return nil
	})
	if err != nil {
		return err
	}
	// Whose instance has not seen yet that Valkey is empty would be missing from the count.
	if err := wait(ctx, settle); err != nil {
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

// page is a page of Postgres's mitras, or why there is none.
type page struct {
	mitras []Mitra
	err    error
}

// pages reads all mitras of Postgres. While one page is worked on, the next is read. each may be called several times for a page.
func (s *Service) pages(ctx context.Context, each func([]Mitra) error) error {
	ctx, cancel := context.WithCancel(ctx)
	read := make(chan page, 1)
	defer func() {
		cancel()
		for range read { // the reader has ended when this does
		}
	}()
	go s.readPages(ctx, read)
	for p := range read {
		if p.err != nil {
			return p.err
		}
		if err := persist(ctx, func() error { return each(p.mitras) }); err != nil {
			return err
		}
	}
	return nil
}

// persist tries a page again that could not be written.
func persist(ctx context.Context, page func() error) error {
	for try := 1; ; try++ {
		err := page()
		if err == nil || errors.Is(err, errSeedLost) || try == seedTries {
			return err
		}
		if err := wait(ctx, seedWait); err != nil {
			return err
		}
	}
}

// readPages closes read after the last page, or when ctx ends.
func (s *Service) readPages(ctx context.Context, read chan<- page) {
	defer close(read)
	var after core.MitraID
	for more := true; more; {
		mitras, err := s.truth.Page(ctx, after, seedPage)
		more = err == nil && len(mitras) == seedPage
		if len(mitras) > 0 {
			after = mitras[len(mitras)-1].ID
		} else if err == nil {
			return
		}
		select {
		case read <- page{mitras, err}:
		case <-ctx.Done():
			return
		}
	}
}

// drift is what a reseed found different and put right.
type drift struct {
	keys   int // and members of keys
	mitras int
	which  []core.MitraID // the first of them
}

func (d *drift) add(mitra core.MitraID, keys int) {
	d.keys += keys
	d.mitras++
	if len(d.which) < NamedAtMost {
		d.which = append(d.which, mitra)
	}
}

// mend writes mitras as Postgres has them and notes those that differed. Where the mirror holds a higher version either we are
// late, or Postgres was restored from a backup: another look at Postgres tells.
func (s *Service) mend(ctx context.Context, mitras []Mitra, found *drift) error {
	outcomes, err := s.mirror.Write(ctx, mitras, Mend, nil)
	if s.failed(err) {
		return err
	}
	held := make(map[core.MitraID]int64)
	for i, outcome := range outcomes {
		switch {
		case outcome.Held != 0:
			held[mitras[i].ID] = outcome.Held
		case outcome.Changed != 0:
			found.add(mitras[i].ID, outcome.Changed)
		}
	}
	if len(held) == 0 {
		return nil
	}
	ids := make([]core.MitraID, 0, len(held))
	for id := range held {
		ids = append(ids, id)
	}
	again, err := s.truth.Mitras(ctx, ids)
	if err != nil {
		return err
	}
	again = slices.DeleteFunc(again, func(m Mitra) bool { return m.Version >= held[m.ID] })
	if len(again) == 0 {
		return nil
	}
	over := make([]int64, len(again))
	for i, mitra := range again {
		over[i] = held[mitra.ID]
	}
	outcomes, err = s.mirror.Write(ctx, again, Mend, over)
	for i, outcome := range outcomes {
		if outcome.Changed != 0 {
			found.add(again[i].ID, outcome.Changed)
		}
	}
	s.failed(err)
	return err
}

// reseed has the mirror compared with Postgres and mended once after since; one instance at a time does. false: another is at it.
func (s *Service) reseed(ctx context.Context, since time.Time) (done bool, err error) {
	ours, err := s.mirror.Lease(ctx, reseedLease, seedTTL)
	if s.failed(err) {
		return false, err
	}
	last, err := s.mirror.Reseeded(ctx)
	if s.failed(err) {
		return false, err
	}
	if last.After(since) || !ours {
		return last.After(since), nil
	}
	began := s.clock()
	if err := s.compare(ctx); err != nil {
		return false, err
	}
	err = s.mirror.NoteReseed(ctx, began)
	s.failed(err)
	return err == nil, err
}

// compare is a reseed under its lease.
func (s *Service) compare(ctx context.Context) error {
	spoiled, err := s.mirror.Sound(ctx)
	if s.failed(err) {
		return err
	}
	var found drift
	err = s.pages(ctx, func(mitras []Mitra) error {
		if _, err := s.mirror.Lease(ctx, reseedLease, seedTTL); s.failed(err) {
			return err
		}
		return s.mend(ctx, mitras, &found)
	})
	if err != nil {
		return err
	}
	removed, err := s.mirror.Strangers(ctx, s.truth.Known)
	s.counters.reseeds.Add(1)
	s.tellDrift(found, removed, spoiled)
	if s.failed(err) {
		return err
	}
	if len(spoiled) == 0 {
		return nil
	}
	// What the sockets' instances alone know went with such a key: have them send it again.
	err = s.mirror.RenewEpoch(ctx)
	s.failed(err)
	return err
}

// tellDrift counts and logs what a reseed put right.
func (s *Service) tellDrift(found drift, removed Removed, spoiled []string) {
	mended := found.keys + removed.Count + len(spoiled)
	if mended == 0 {
		return
	}
	s.counters.mended.Add(uint64(mended))
	s.log.Warn("the mirror had drifted and is mended", "keys", mended, "mitras", found.mitras, "which", found.which,
		"strangers", removed.Which, "wrong_types", spoiled)
	wake(s.recountNow)
}

// runSeeder seeds when the watchdog asks for it and, every MirrorSweep, reseeds, unless another instance lately has, and confirms the
// sockets of this instance: they stand nowhere else, so nobody else could miss them.
func (s *Service) runSeeder(ctx context.Context) {
	outage := core.Outage{Log: s.log, What: "seeding the mirror"}
	sweep := time.NewTicker(s.cfg.MirrorSweep)
	defer sweep.Stop()
	for {
		want := seeding{settle: watchEvery + 2*s.cfg.Flush, insists: true}
		select {
		case <-ctx.Done():
			return
		case <-s.seedNow:
			want.since = s.clock()
		case <-sweep.C:
			if !s.mirror.Up() {
				continue // the watchdog asks for a seed when it is back
			}
			want.since = s.clock().Add(-s.cfg.MirrorSweep / 2)
			s.sockets.confirm()
		}
		if outage.Note(ctx, s.seed(ctx, want)) == nil || !s.mirror.Up() {
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
