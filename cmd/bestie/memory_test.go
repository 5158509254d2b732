package main

import (
	"context"
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	w := watch{before: 50 << 20, resting: true}
	allocated := w.before
	look := func(bytes uint64) change {
		allocated += bytes
		return w.look(allocated)
	}
	require.Equal(t, noChange, look(restBytes-1))
	require.Equal(t, crowdCame, look(restBytes))
	require.Equal(t, noChange, look(restBytes))
	require.Equal(t, littleRests, look(0), "nothing worth the while")
	require.Equal(t, noChange, look(0))
	require.Equal(t, crowdCame, look(crowdBytes))
	require.Equal(t, noChange, look(crowdBytes))
	require.Equal(t, crowdRests, look(restBytes-1))
	require.Equal(t, noChange, look(1))
	require.Equal(t, crowdCame, look(restBytes), "what was allocated at rest does not count")
	require.Equal(t, littleRests, look(0))
}

// Not parallel: the collector is the process's.
func TestKeepLean(t *testing.T) {
	own := debug.SetGCPercent(100)
	defer debug.SetGCPercent(own)
	var a allocations
	before := a.read()
	garbage = make([]byte, 1<<20)
	require.GreaterOrEqual(t, a.read()-before, uint64(1<<20))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, keepLean(ended))
	require.Equal(t, 100, debug.SetGCPercent(math.MaxInt32), "what was found is put back")
	debug.SetGCPercent(100)
}

var garbage []byte
