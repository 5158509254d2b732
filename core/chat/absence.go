package chat

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// watchEvery is how often absent mitras are looked for.
	watchEvery = 5 * time.Second
	// watchPaused is how long a round may take to come for this process not to have been stopped in between.
	watchPaused = 20 * time.Second
)

// Watch reroutes sessions whose mitras were gone for longer than reroute_after_seconds, until ctx ends; it returns nil then. Any number of
// instances may watch.
//
// A mitra counts as gone when Postgres and the heartbeats both say so: a heartbeat that old, or, where there is no trace of one (the
// app said goodbye), none in all rounds for that long. Whatever may make heartbeats look older than they are, an outage of
// a store or a pause of this process, starts the time anew, so nobody loses a session by it.
func (s *Service) Watch(ctx context.Context, absences Absences, beats Heartbeats, settings func() core.Settings) error {
	w := watch{Service: s, absences: absences, beats: beats, settings: settings}
	outage := core.Outage{Log: s.log, What: "looking for absent mitras"}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			_ = outage.Note(ctx, w.round(ctx, time.Now()))
		}
	}
}

// watch is the state of one Watch.
type watch struct {
	*Service
	absences Absences
	beats    Heartbeats
	settings func() core.Settings

	looked  time.Time                  // the last round
	missing map[core.MitraID]time.Time // without a trace, since then
}

// round looks once. Nothing of what was seen counts after an error or a pause.
func (w *watch) round(ctx context.Context, now time.Time) error {
	if now.Sub(w.looked) > watchPaused {
		clear(w.missing)
	}
	w.looked = now
	gone, after, err := w.gone(ctx, now)
	if err != nil {
		clear(w.missing)
		return err
	}
	for _, a := range gone {
		done, err := w.absences.RerouteAbsent(ctx, a, after)
		if err != nil {
			return err
		}
		if done {
			w.rerouted.Add(1)
			w.log.InfoContext(ctx, "a session is rerouted, its mitra is gone", "session", a.Session, "mitra", a.Mitra)
			w.Wake()
		}
	}
	return nil
}

// gone lists the absences that are sure.
func (w *watch) gone(ctx context.Context, now time.Time) (gone []Absence, after time.Duration, err error) {
	after = w.settings().RerouteAfter
	absent, err := w.absences.Absent(ctx, after)
	if err != nil || len(absent) == 0 {
		w.missing = nil
		return nil, after, err
	}
	mitras := make([]core.MitraID, 0, len(absent))
	for _, a := range absent {
		mitras = append(mitras, a.Mitra)
	}
	silence, sure, err := w.beats.Silence(ctx, mitras)
	if err != nil || !sure {
		clear(w.missing)
		return nil, after, err
	}
	missing := make(map[core.MitraID]time.Time)
	for _, a := range absent {
		silent, traced := silence[a.Mitra]
		if !traced {
			since, known := w.missing[a.Mitra]
			if !known {
				since = now
			}
			missing[a.Mitra], silent = since, now.Sub(since)
		}
		if silent >= after {
			gone = append(gone, a)
		}
	}
	w.missing = missing
	return gone, after, nil
}
