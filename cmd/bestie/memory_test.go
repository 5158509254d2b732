package main

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestUntilRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // other tests wait meanwhile: this one is not parallel
		_, ok := untilRest(t.Context())
		require.True(t, ok)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, ok = untilRest(ended)
		require.False(t, ok)
	})
}

func TestCollected(t *testing.T) {
	t.Parallel()
	next := collected()
	for { // a collection that was under way does not see it
		runtime.GC()
		select {
		case <-next:
			return
		case <-t.Context().Done():
			t.Fatal("no collection was noticed")
		default:
		}
	}
}

// Not parallel: the collector is the process's.
func TestKeepLean(t *testing.T) {
	own := debug.SetGCPercent(100)
	defer debug.SetGCPercent(own)
	before := allocated()
	garbage = make([]byte, 1<<20)
	require.GreaterOrEqual(t, allocated()-before, uint64(1<<20))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, keepLean(ended))
	require.Equal(t, 100, debug.SetGCPercent(math.MaxInt32), "what was found is put back")
}

var garbage []byte
