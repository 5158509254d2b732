package admin

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// mirror stands in for Valkey's side of the dashboard.
type mirror struct{ err error }

func (m *mirror) Instances(context.Context) ([]Instance, error) {
	return []Instance{{Mitras: 2, Customers: 3}}, m.err
}
func (m *mirror) Counts(context.Context) (online, available int, err error) { return 4, 3, m.err }

// numbers stands in for Postgres's side; it takes its time.
type numbers struct {
	reads atomic.Int64
	fails atomic.Bool
	days  sync.Map
}

func (n *numbers) Work(_ context.Context, day time.Time) (Work, error) {
	n.days.Store(day, true)
	n.reads.Add(1)
	time.Sleep(10 * time.Millisecond)
	if n.fails.Load() {
		return Work{}, core.Wrap(core.Unavailable, errors.New("away"))
	}
	return Work{Busy: 1, RevenueToday: 25_000}, nil
}

func (n *numbers) MitrasOnline(context.Context) (online, available int, err error) { return 9, 8, nil }

func TestDashboard_OneReadASecondForEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &numbers{}
		s := NewService(Stores{Numbers: n}, Deps{Presence: &mirror{}, Fleet: &mirror{}, Clock: time.Now})
		crowd := func() {
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					d, err := s.Dashboard(t.Context())
					require.NoError(t, err)
					require.Equal(t, []int{4, 3, 1, 5}, []int{d.Online, d.Available, d.Busy, d.Sockets})
				})
			}
			all.Wait()
		}
		crowd()
		require.Equal(t, int64(1), n.reads.Load())
		time.Sleep(dashboardKeeps - 20*time.Millisecond)
		crowd()
		require.Equal(t, int64(1), n.reads.Load())
		time.Sleep(20 * time.Millisecond)
		crowd()
		require.Equal(t, int64(2), n.reads.Load())
	})
}

// A read that fails is tried again by who waited for it, and is not kept.
func TestDashboard_ErrUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &numbers{}
		n.fails.Store(true)
		s := NewService(Stores{Numbers: n}, Deps{Presence: &mirror{}, Fleet: &mirror{}, Clock: time.Now})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				_, err := s.Dashboard(t.Context())
				require.Equal(t, core.Unavailable, core.CodeOf(err))
			})
		}
		all.Wait()
		n.fails.Store(false)
		_, err := s.Dashboard(t.Context())
		require.NoError(t, err)

		time.Sleep(dashboardKeeps)
		gone, cancel := context.WithCancel(t.Context())
		all.Go(func() { _, _ = s.Dashboard(t.Context()) })
		synctest.Wait()
		cancel()
		_, err = s.Dashboard(gone)
		require.Equal(t, core.Unavailable, core.CodeOf(err), "who gave up does not wait")
		all.Wait()
	})
}

func TestDashboard_WithoutValkey(t *testing.T) {
	t.Parallel()
	away := &mirror{err: core.Wrap(core.Unavailable, errors.New("away"))}
	s := NewService(Stores{Numbers: &numbers{}}, Deps{Presence: away, Fleet: away, Clock: time.Now})
	d, err := s.Dashboard(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{9, 8, true}, []any{d.Online, d.Available, d.Degraded})
}

func TestDayOf_BeginsInJakarta(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2026-11-22T16:59:59Z": "2026-11-21T17:00:00Z", "2026-11-22T17:00:00Z": "2026-11-22T17:00:00Z", "2026-12-31T20:00:00Z": "2026-12-31T17:00:00Z",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		require.Equal(t, want, dayOf(moment).UTC().Format(time.RFC3339))
	}
}

// stored stands in for app_config.
type stored []StoredSetting

func (s stored) Settings(context.Context) ([]StoredSetting, error) { return s, nil }

func (s stored) PutSetting(_ context.Context, by core.OperatorID, key string, value json.RawMessage) (StoredSetting, error) {
	return StoredSetting{Key: key, Value: value, UpdatedBy: by}, nil
}

// What every instance ignores is not shown as if it held.
func TestSettings_ShowWhatHolds(t *testing.T) {
	t.Parallel()
	s := NewService(Stores{Config: stored{
		{Key: "pairing_wave_size", Value: json.RawMessage(`9`)}, {Key: "pairing_max_waves", Value: json.RawMessage(`900`)}, {Key: "forgotten", Value: json.RawMessage(`1`)},
	}}, Deps{})
	all, err := s.Settings(t.Context())
	require.NoError(t, err)
	require.Len(t, all, len(core.SettingsTable))
	shown := map[string]Setting{}
	for _, row := range all {
		shown[row.Key] = row
	}
	require.Equal(t, []any{"9", true}, []any{string(shown["pairing_wave_size"].Value), shown["pairing_wave_size"].Changed})
	require.Equal(t, []any{"4", false}, []any{string(shown["pairing_max_waves"].Value), shown["pairing_max_waves"].Changed})
}

func TestPutSetting_Bounds(t *testing.T) {
	t.Parallel()
	s := NewService(Stores{Config: stored{}}, Deps{})
	by := core.Principal{ID: core.NewID[core.UserID]()}
	for _, setting := range core.SettingsTable {
		values := map[string]bool{`null`: false, `{}`: false, `1.5`: false, setting.DefaultJSON(): true}
		if setting.Key == core.AnonymityKey {
			values[`"name"`], values[`"x"`] = true, false
		} else {
			for value, fits := range map[int]bool{setting.Min: true, setting.Max: true, setting.Min - 1: false, setting.Max + 1: false} {
				text, err := json.Marshal(value)
				require.NoError(t, err)
				values[string(text)] = fits
			}
		}
		for value, fits := range values {
			now, err := s.PutSetting(t.Context(), by, setting.Key, json.RawMessage(value))
			if !fits {
				require.Equal(t, core.BadMessage, core.CodeOf(err), "%s %s", setting.Key, value)
				continue
			}
			require.NoError(t, err, "%s %s", setting.Key, value)
			require.Equal(t, value != setting.DefaultJSON(), now.Changed)
		}
	}
	_, err := s.PutSetting(t.Context(), by, "no_such_key", json.RawMessage(`1`))
	require.Equal(t, core.NotFound, core.CodeOf(err))
}
