package sim_test

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/bench/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short is a run of a second or so.
func short(url string) sim.Options {
	return sim.Options{
		Targets: []string{url}, Internal: url, Mitras: 12, Customers: 8, Duration: time.Second, PairingsPerSecond: 40, Verify: true,
		Think: sim.Range{Min: time.Millisecond, Max: 5 * time.Millisecond}, Talk: sim.Range{Min: 10 * time.Millisecond, Max: 60 * time.Millisecond},
		Breaks: 500 * time.Millisecond, Late: time.Second, Probes: 1, Settle: 3 * time.Second,
	}
}

func TestRunOK(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	report, err := sim.Run(t.Context(), short(start(t, "")), &out)
	require.NoError(t, err)
	require.Empty(t, report.Broken, out.String())
	require.NotZero(t, report.Matched)
	require.NotZero(t, report.Ended)
	require.Empty(t, report.Errors)
	for _, l := range report.Latencies {
		require.NotZero(t, l.N, l.Name)
		require.LessOrEqual(t, l.P50, l.P99, l.Name)
		require.LessOrEqual(t, l.P99, l.Max, l.Name)
	}
	require.Equal(t, uint64(2*8), report.Latency(sim.LatencyBeacon).N, "every customer saw both changes of the probe")
	require.Contains(t, out.String(), "every invariant kept")
	require.Contains(t, out.String(), sim.LatencyFirstOffer)
}

func TestRunNotices(t *testing.T) {
	t.Parallel()
	for f, want := range map[fault]sim.Invariant{
		faultTwoWinners: sim.OneWinner,
		faultCapacity:   sim.Capacity,
		faultOffline:    sim.OnlineOnly,
		faultVersion:    sim.VersionGrows,
		faultMoney:      sim.MoneyHidden,
		faultSilent:     sim.Answered,
		faultClosed:     sim.SocketsStay,
		faultCut:        sim.SocketsStay,
		faultOrder:      sim.InOrder,
		faultTimeout:    sim.BeatsCount,
		faultLive:       sim.StateAgrees,
		faultMirror:     sim.Invariant(oracle.Mirrored),
	} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			opts := short(start(t, f))
			opts.Probes, opts.WindDown, opts.Settle = -1, 4*time.Second, 100*time.Millisecond
			switch f {
			case faultSilent:
				opts.AnswerTimeout = 600 * time.Millisecond
			case faultOffline: // breaks are what it takes, and that mitras stay on them beyond the grace
				opts.Duration, opts.Breaks = 3*time.Second, 100*time.Millisecond
			case faultCapacity:
				opts.Mitras, opts.Talk = 3, sim.Range{Min: 300 * time.Millisecond, Max: 600 * time.Millisecond}
			case faultTimeout:
				opts.Duration = 2 * time.Second
			}
			report, err := sim.Run(t.Context(), opts, &out)
			require.NoError(t, err)
			broken := slices.Collect(maps.Keys(report.Breaches))
			require.Contains(t, broken, want, out.String())
			require.NotEmpty(t, report.Broken)
			require.Contains(t, out.String(), "BROKEN "+string(want))
		})
	}
}

func TestRunSurvivesRolling(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	opts := short(start(t, rolling))
	opts.Duration, opts.Probes = 2*time.Second, -1
	report, err := sim.Run(t.Context(), opts, &out)
	require.NoError(t, err)
	require.Empty(t, report.Broken, out.String())
	require.GreaterOrEqual(t, report.Reconnects, uint64(opts.Mitras))
}

func TestRunStopsEarly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	opts := short(start(t, ""))
	opts.Duration, opts.Probes = time.Hour, -1
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	report, err := sim.Run(ctx, opts, &out)
	require.NoError(t, err)
	require.Empty(t, report.Broken, out.String())
	require.NotZero(t, report.Ended)
}

func TestRunSaysWhatToDo(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	tests := map[string]struct {
		target, internal, want string
	}{
		"no gateway":     {nobody.URL, nobody.URL, "bestie dev"},
		"no internal":    {start(t, ""), nobody.URL, "--internal"},
		"no test routes": {start(t, faultNoTestRoute), "", "ENABLE_TEST_ROUTES"},
		"no package":     {start(t, faultNoPackage), "", "bestie seed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := short(tt.target)
			if tt.internal != "" {
				opts.Internal = tt.internal
			}
			_, err := sim.Run(t.Context(), opts, &bytes.Buffer{})
			require.ErrorContains(t, err, tt.want)
		})
	}
}
