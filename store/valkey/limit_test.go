package valkey_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	here, there := r.client.Limits(), open(t, r.url, r.prefix).Limits()
	var taken, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			limits := here
			if i%2 == 0 {
				limits = there
			}
			wait, err := limits.Take(t.Context(), "ip:203.0.113.9", 30)
			require.NoError(t, err)
			if wait == 0 {
				taken.Add(1)
				return
			}
			require.LessOrEqual(t, wait, 2*time.Second)
			refused.Add(1)
		})
	}
	all.Wait()
	require.InDelta(t, 30, taken.Load(), 1, "one limit for both instances; a request comes back every two seconds")
	require.EqualValues(t, 60, taken.Load()+refused.Load())
	wait, err := here.Take(t.Context(), "ip:203.0.113.10", 30)
	require.NoError(t, err)
	require.Zero(t, wait, "another key is another count")
	ttl := r.do("PTTL", "limit:ip:203.0.113.9")
	require.Greater(t, ttl, int64(0))
	require.LessOrEqual(t, ttl, int64(60_001), "it is gone when it is full again")

	r.do("SET", "limit:ip:203.0.113.9", "0")
	wait, err = here.Take(t.Context(), "ip:203.0.113.9", 30)
	require.NoError(t, err)
	require.Zero(t, wait)
	r.do("SET", "limit:ip:203.0.113.11", "nonsense")
	_, err = here.Take(t.Context(), "ip:203.0.113.11", 30)
	require.NoError(t, err, "what is no number counts as nothing")
}

func TestLimits_ErrDown(t *testing.T) {
	t.Parallel()
	limits := open(t, "redis://127.0.0.1:1", "").Limits()
	_, err := limits.Take(t.Context(), "ip:203.0.113.9", 30)
	require.Error(t, err)
}
