package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/kernel"
	"github.com/halobestie/bestie-gateway/bench/subject"
)

func TestUnknownScenario(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-length", "1s", "ekho"})
	require.ErrorContains(t, err, "ekho")
	require.ErrorContains(t, err, "slow-readers", "it says what there is")
	require.ErrorContains(t, err, fleetName)
}

func TestFleetExtrapolates(t *testing.T) {
	t.Parallel()
	f := &fleet{
		sizes: fleetSizes{instances: 2, sockets: 1000}, total: 2000, gateways: []*subject.Gateway{{}, {}},
		before: []look{{kernel.Memory{Resident: 10e6}, 1e6}, {kernel.Memory{Resident: 12e6}, 1e6}},
		after:  []look{{kernel.Memory{Resident: 11e6}, 2e6}, {kernel.Memory{Resident: 13e6}, 2e6}},
	}
	f.row("% of a core", 20, "heartbeats alone: processor, all %d instances", 2)
	f.extrapolate()
	rows := map[string]float64{}
	for _, row := range f.Rows {
		rows[row.What] = row.Value
	}
	require.InDelta(t, 1000, rows["resident memory a socket, beating"], 1e-9)
	require.InDelta(t, 1, rows["a million sockets: memory of the instances' sockets"], 1e-9)
	require.InDelta(t, 11, rows["an instance without sockets"], 1e-9)
	require.InDelta(t, 100, rows["a million sockets: processor for heartbeats"], 1e-9)
	require.Equal(t, 200, f.mitras())
	var out strings.Builder
	require.NoError(t, f.write(&out))
	require.Contains(t, out.String(), "2 instances, 2000 sockets")
}
