package chat

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// absences is one session whose mitra Postgres has not heard of, and what heartbeats tell of it.
type absences struct {
	absence  Absence
	silence  time.Duration // below zero: no trace
	unsure   bool
	err      error
	rerouted []time.Time
}

// shared is absences that the watch asks while the test changes them.
type shared struct {
	mu sync.Mutex
	absences
}

func (a *shared) change(f func(*absences)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.absences)
}

func (a *shared) Absent(context.Context, time.Duration) ([]Absence, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.rerouted) > 0 {
		return nil, nil
	}
	return []Absence{a.absence}, nil
}

func (a *shared) RerouteAbsent(_ context.Context, one Absence, _ time.Duration) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rerouted = append(a.rerouted, time.Now())
	return one == a.absence, nil
}

func (a *shared) Silence(context.Context, []core.MitraID) (map[core.MitraID]time.Duration, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil || a.unsure {
		return nil, false, a.err
	}
	if a.silence < 0 {
		return nil, true, nil
	}
	return map[core.MitraID]time.Duration{a.absence.Mitra: a.silence}, true, nil
}

func TestWatch(t *testing.T) {
	t.Parallel()
	const after = 2 * time.Minute
	for name, c := range map[string]struct {
		absences absences
		disturb  func(a *absences) // after a minute, for a minute
		want     time.Duration     // until the reroute; 0: never
	}{
		"silent for long enough":          {absences: absences{silence: after}, want: watchEvery},
		"heard of lately":                 {absences: absences{silence: after - time.Second}},
		"said goodbye":                    {absences: absences{silence: -1}, want: watchEvery + after},
		"cannot be told":                  {absences: absences{unsure: true}},
		"valkey is away":                  {absences: absences{err: errors.New("refused")}},
		"an outage starts the time anew":  {absences{silence: -1}, func(a *absences) { a.err = errors.New("refused") }, 2*time.Minute + watchEvery + after},
		"a disturbance does so, too":      {absences{silence: -1}, func(a *absences) { a.unsure = true }, 2*time.Minute + watchEvery + after},
		"back for a moment, it does, too": {absences{silence: -1}, func(a *absences) { a.silence = 0 }, 2*time.Minute + watchEvery + after},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := shared{absences: c.absences}
				a.absence = Absence{core.NewID[core.SessionID](), core.NewID[core.MitraID]()}
				s := NewService(nil, nil, nil, slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				done, began := make(chan error, 1), time.Now()
				go func() {
					done <- s.Watch(ctx, &a, &a, func() core.Settings { return core.Settings{RerouteAfter: after} })
				}()
				if c.disturb != nil {
					time.Sleep(time.Minute + time.Second)
					a.change(c.disturb)
					time.Sleep(time.Minute)
					a.change(func(now *absences) {
						now.silence, now.unsure, now.err = c.absences.silence, c.absences.unsure, c.absences.err
					})
				}
				time.Sleep(10 * time.Minute)
				cancel()
				require.NoError(t, <-done)
				if c.want == 0 {
					require.Empty(t, a.rerouted)
					return
				}
				require.Len(t, a.rerouted, 1)
				require.Equal(t, c.want, a.rerouted[0].Sub(began))
				require.EqualValues(t, 1, s.Stats().RerouteAbsent)
			})
		})
	}
}
