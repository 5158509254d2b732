//go:build !race

package gateway_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/protocol"
)

// These benchmarks pay for both ends on one machine and have no stores behind them: they are for comparing two commits. For the
// figures of the server alone, see package bench.

// BenchmarkHeartbeat is a mitra's heartbeat and its ack, one at a time.
func BenchmarkHeartbeat(b *testing.B) {
	beat := generousRig(b).connect(core.Mitra).exchange(protocol.Heartbeat{}.Append(nil, 7), protocol.Ack{}.Append(nil, 7))
	b.ReportAllocs()
	for b.Loop() {
		beat()
	}
}

// BenchmarkAvailability is a change of the available number to 500 subscribers, per delivery.
func BenchmarkAvailability(b *testing.B) {
	const subscribers = 500
	r := generousRig(b)
	listeners := make([]*peer, subscribers)
	for i := range listeners {
		listeners[i] = r.connect(core.Customer)
		listeners[i].send(&protocol.AvailabilitySubscribe{}, 1)
		listeners[i].expect(&protocol.Ack{}, 1)
	}
	tell := broadcasting(r, listeners)
	b.ReportAllocs()
	for b.Loop() {
		tell()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/delivery")
}

// BenchmarkConnect is a customer's way from connect to welcome, and away.
func BenchmarkConnect(b *testing.B) {
	r := generousRig(b)
	token := r.tokens.issue(principal(core.Customer))
	b.ReportAllocs()
	for b.Loop() {
		p := r.dial(token)
		p.welcome()
		require.NoError(b, p.conn.(*net.TCPConn).SetLinger(0)) // no TIME_WAIT, or ports run out
		p.conn.Close()
	}
}
