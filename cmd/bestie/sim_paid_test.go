package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/sim"
)

// A crowd that pays, extends and changes its mitras on two instances: every invariant is kept and every rupiah accounted for.
func TestSim_Paid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	var out bytes.Buffer
	report, err := sim.Run(t.Context(), sim.Options{
		Targets: []string{a.url(), b.url()}, Internal: "http://" + a.program.InternalAddr().String(),
		Mitras: 12, Customers: 8, PairingsPerSecond: 8, Duration: 6 * time.Second, Paid: true, Verify: true, Alone: true, Probes: -1,
		Think: sim.Range{Min: 5 * time.Millisecond, Max: 30 * time.Millisecond}, Talk: sim.Range{Min: 200 * time.Millisecond, Max: 900 * time.Millisecond},
		AnswerTimeout: 25 * time.Second, WindDown: time.Minute,
	}, &out)
	require.NoError(t, err)
	require.Empty(t, report.Broken, out.String())
	require.NotZero(t, report.Paid)
	require.NotZero(t, report.Ended)
	t.Log(out.String())
}
