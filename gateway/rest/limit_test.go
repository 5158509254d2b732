package rest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestLimiter_BoundedMemory(t *testing.T) {
	t.Parallel()
	l := newLimiter(600)
	now := time.Now()
	for i := range maxBuckets {
		_, ok := l.take(address(i), now)
		require.True(t, ok)
	}
	now = now.Add(59 * time.Second)
	for range 600 {
		_, ok := l.take(address(7), now)
		require.True(t, ok)
	}
	_, ok := l.take(address(7), now)
	require.False(t, ok)

	now = now.Add(time.Second)
	_, ok = l.take(address(maxBuckets), now) // one more than there is room for
	require.True(t, ok)
	require.Len(t, l.buckets, 2, "those who have their minute back are forgotten")
	for range 10 {
		_, ok = l.take(address(7), now)
		require.True(t, ok)
	}
	_, ok = l.take(address(7), now)
	require.False(t, ok, "and those who have not are remembered")

	for i := range 3 * maxBuckets {
		l.take(address(i), now)
		require.LessOrEqual(t, len(l.buckets), maxBuckets)
	}
}
