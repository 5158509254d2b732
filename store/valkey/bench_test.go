package valkey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// benchMitras has n available mitras in a mirror of its own.
func benchMitras(b *testing.B, n int) (*mirrorRig, []presence.Heartbeat) {
	b.Helper()
	r := newRig(b)
	r.seed()
	mitras := make([]presence.Mitra, n)
	beats := make([]presence.Heartbeat, n)
	sockets := make([]presence.Socket, n)
	for i := range mitras {
		mitras[i] = online(1)
		mitras[i].AvailableSince = time.UnixMilli(int64(i + 1))
		beats[i] = presence.Heartbeat{MitraID: mitras[i].ID, At: r.client.Now()}
		sockets[i] = presence.Socket{MitraID: mitras[i].ID, Epoch: 1}
	}
	_, err := r.mirror.Beat(b.Context(), beats)
	require.NoError(b, err)
	_, err = r.mirror.SocketsUp(b.Context(), sockets)
	require.NoError(b, err)
	began := time.Now()
	_, err = r.mirror.Write(b.Context(), mitras, presence.Mend, nil)
	require.NoError(b, err)
	b.Logf("mirrored %d mitras in %v", n, time.Since(began))
	b.ResetTimer()
	return r, beats
}

func BenchmarkBeat10000(b *testing.B) {
	r, beats := benchMitras(b, 10_000)
	for b.Loop() {
		_, err := r.mirror.Beat(b.Context(), beats)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(beats)), "ns/beat")
}

func BenchmarkFindAvailable(b *testing.B) {
	for name, n := range map[string]int{"1000": 1000, "100000": 100_000} {
		b.Run(name, func(b *testing.B) {
			r, _ := benchMitras(b, n)
			for b.Loop() {
				require.Len(b, r.candidates(5, core.MitraID{}), 5)
			}
		})
	}
}

func BenchmarkRecount(b *testing.B) {
	for name, n := range map[string]int{"1000": 1000, "100000": 100_000} {
		b.Run(name, func(b *testing.B) {
			r, _ := benchMitras(b, n)
			for b.Loop() {
				require.Equal(b, n, r.count())
			}
		})
	}
}
