package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/protocol"
)

var (
	ana, budi = protocol.UUID{1}, protocol.UUID{2}
	talk      = protocol.UUID{3}
	other     = protocol.UUID{4}
)

func shown(id protocol.UUID, version int64, status protocol.SessionStatus) *protocol.Session {
	return &protocol.Session{SessionID: id, Version: version, Status: status}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := map[string]struct {
		play func(l *ledger)
		want map[Invariant]int
	}{
		"one winner who asks twice": {func(l *ledger) {
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
		}, nil},
		"two winners": {func(l *ledger) {
			l.accepted(shown(talk, 3, protocol.StatusActive), budi, now, 1)
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
		}, map[Invariant]int{OneWinner: 1}},
		"another winner after a reroute": {func(l *ledger) {
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
			l.accepted(shown(talk, 4, protocol.StatusActive), budi, now, 1)
			l.observe("customer", shown(talk, 3, protocol.StatusSearching))
		}, nil},
		"the customer is shown another mitra": {func(l *ledger) {
			s := shown(talk, 2, protocol.StatusActive)
			l.accepted(s, ana, now, 1)
			s.Mitra = &protocol.MitraParty{MitraID: budi}
			l.observe("customer", s)
		}, map[Invariant]int{OneWinner: 1}},
		"over capacity": {func(l *ledger) {
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
			l.accepted(shown(other, 2, protocol.StatusActive), ana, now, 1)
		}, map[Invariant]int{Capacity: 1}},
		"an end that may have come first": {func(l *ledger) {
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
			l.ending(talk)
			l.accepted(shown(other, 2, protocol.StatusActive), ana, now, 1)
		}, nil},
		"another session after one that went while its mitra was away": {func(l *ledger) {
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
			l.holds(ana, nil)
			l.accepted(shown(other, 2, protocol.StatusActive), ana, now, 1)
		}, nil},
		"over capacity after a state that says so": {func(l *ledger) {
			l.accepted(shown(talk, 2, protocol.StatusActive), ana, now, 1)
			l.holds(ana, []protocol.Session{*shown(talk, 2, protocol.StatusActive)})
			l.accepted(shown(other, 2, protocol.StatusActive), ana, now, 1)
		}, map[Invariant]int{Capacity: 1}},
		"updates that come late and twice": {func(l *ledger) {
			l.observe("a", shown(talk, 3, protocol.StatusEnded))
			l.observe("b", shown(talk, 2, protocol.StatusActive))
			l.observe("a", shown(talk, 3, protocol.StatusEnded))
		}, nil},
		"one version with two meanings": {func(l *ledger) {
			l.observe("a", shown(talk, 2, protocol.StatusActive))
			l.observe("b", shown(talk, 2, protocol.StatusSearching))
		}, map[Invariant]int{VersionGrows: 1}},
		"life after the end": {func(l *ledger) {
			l.observe("a", shown(talk, 2, protocol.StatusEnded))
			l.observe("b", shown(talk, 3, protocol.StatusActive))
		}, map[Invariant]int{VersionGrows: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			tt.play(l)
			l.close()
			list, count := l.broken()
			if tt.want == nil {
				tt.want = map[Invariant]int{}
			}
			require.Equal(t, tt.want, count)
			require.Len(t, list, len(tt.want))
		})
	}
}

// TestLedgerTimes joins what different clients saw, in whatever order they say it.
func TestLedgerTimes(t *testing.T) {
	t.Parallel()
	due := time.Now()
	const took = 40 * time.Millisecond
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		l := newLedger()
		var got []time.Duration
		note := func(d time.Duration, ok bool) {
			if ok {
				got = append(got, d)
			}
		}
		offers := []func(){
			func() { note(l.requested(talk, due)) },
			func() { note(l.offer(talk, due.Add(took))) },
		}
		tells := []func(){
			func() { note(l.accepted(shown(talk, 2, protocol.StatusActive), ana, due, 1)) },
			func() { note(l.told(talk, ana, due.Add(took))) },
		}
		for _, steps := range [][]func(){offers, tells} {
			for _, i := range order {
				steps[i]()
				steps[i]() // again: counted once
			}
		}
		require.Equal(t, []time.Duration{took, took}, got)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var h histogram
	require.Zero(t, h.quantile(0.5))
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	require.InEpsilon(t, 500*time.Millisecond, h.quantile(0.50), 0.02)
	require.InEpsilon(t, 990*time.Millisecond, h.quantile(0.99), 0.02)
	require.Equal(t, time.Second, h.quantile(1))
	h.add(-time.Second)
	require.Equal(t, Latency{Name: "x", N: 1001, P50: h.quantile(0.5), P95: h.quantile(0.95), P99: h.quantile(0.99), Max: time.Second}, h.latency("x"))
}
