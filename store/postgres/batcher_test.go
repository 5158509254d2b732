package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func TestBatcher_GathersAWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var batches [][]int
		b := newBatcher(5*time.Millisecond, func(_ context.Context, keys []int) ([]int, error) {
			mu.Lock()
			defer mu.Unlock()
			batches = append(batches, keys)
			doubled := make([]int, len(keys))
			for i, k := range keys {
				doubled[i] = 2 * k
			}
			return doubled, nil
		})
		var callers sync.WaitGroup
		ask := func(k int) {
			callers.Go(func() {
				got, err := b.do(t.Context(), k)
				require.NoError(t, err)
				require.Equal(t, 2*k, got)
			})
			synctest.Wait()
		}
		ask(1)
		time.Sleep(4 * time.Millisecond)
		ask(2)
		time.Sleep(2 * time.Millisecond)
		ask(3)
		callers.Wait()
		b.wait()
		require.Equal(t, [][]int{{1, 2}, {3}}, batches)
	})
}

func TestBatcher_ACrowdIsGatheredForLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(time.Millisecond, func(_ context.Context, keys []int) ([]int, error) { return keys, nil })
		ask := func(calls int) time.Duration {
			began := time.Now()
			var callers sync.WaitGroup
			for k := range calls {
				callers.Go(func() { _, _ = b.do(t.Context(), k) })
			}
			callers.Wait()
			return time.Since(began)
		}
		require.Equal(t, time.Millisecond, ask(crowd-1))
		require.Equal(t, time.Millisecond, ask(crowd))
		require.Equal(t, 4*time.Millisecond, ask(1))
		require.Equal(t, time.Millisecond, ask(1))
		b.limit = crowd
		require.Zero(t, ask(crowd))
		require.Equal(t, 4*time.Millisecond, ask(1))
		b.wait()
	})
}

func TestBatcher_FullStartsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(time.Hour, func(_ context.Context, keys []int) ([]int, error) { return keys, nil })
		b.limit = 3
		began := time.Now()
		var callers sync.WaitGroup
		for k := range 6 {
			callers.Go(func() { _, _ = b.do(t.Context(), k) })
		}
		callers.Wait()
		b.wait()
		require.Equal(t, began, time.Now())
	})
}

func TestBatcher_ContextEndsOnlyItsOwnWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(5*time.Millisecond, func(_ context.Context, keys []int) ([]int, error) { return keys, nil })
		ctx, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() {
			_, err := b.do(ctx, 1)
			require.Equal(t, core.Unavailable, core.CodeOf(err))
		})
		callers.Go(func() {
			got, err := b.do(t.Context(), 2)
			require.NoError(t, err)
			require.Equal(t, 2, got)
		})
		synctest.Wait()
		cancel()
		callers.Wait()
		b.wait()
	})
}

func TestBatcher_ErrForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		b := newBatcher(time.Millisecond, func(context.Context, []int) ([]int, error) { return nil, boom })
		var callers sync.WaitGroup
		for k := range 3 {
			callers.Go(func() {
				_, err := b.do(t.Context(), k)
				require.ErrorIs(t, err, boom)
			})
		}
		callers.Wait()
		b.wait()
	})
}
