package rest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func address(i int) string { return fmt.Sprintf("ip:10.%d.%d.%d", byte(i>>16), byte(i>>8), byte(i)) }

func TestLimiter_BoundedMemory(t *testing.T) {
	t.Parallel()
	l := newLimiter(600, nil)
	now := time.Now()
	for i := range maxBuckets {
		_, ok := l.take(t.Context(), address(i), now)
		require.True(t, ok)
	}
	now = now.Add(59 * time.Second)
	for range 600 {
		_, ok := l.take(t.Context(), address(7), now)
		require.True(t, ok)
	}
	_, ok := l.take(t.Context(), address(7), now)
	require.False(t, ok)

	now = now.Add(time.Second)
	_, ok = l.take(t.Context(), address(maxBuckets), now) // one more than there is room for
	require.True(t, ok)
	require.Len(t, l.buckets, 2, "those who have their minute back are forgotten")
	for range 10 {
		_, ok = l.take(t.Context(), address(7), now)
		require.True(t, ok)
	}
	_, ok = l.take(t.Context(), address(7), now)
	require.False(t, ok, "and those who have not are remembered")

	clear(l.buckets)
	for i := range maxBuckets { // a twentieth of them has its minute back when there is no more room
		at := now
		if i%20 > 0 {
			at = now.Add(time.Minute)
		}
		l.take(t.Context(), address(i), at)
	}
	l.take(t.Context(), address(maxBuckets), now.Add(time.Minute))
	require.Len(t, l.buckets, 1, "too few to be worth the next look")

	for i := range 3 * maxBuckets {
		l.take(t.Context(), address(i), now)
		require.LessOrEqual(t, len(l.buckets), maxBuckets)
	}
}
