package epoll

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPace(t *testing.T) {
	t.Parallel()
	const second = 1000 // events
	// naps tells how many of the turns of a second, each with one event, end with a nap.
	naps := func(patience Patience, gap time.Duration) (n int) {
		var p pace
		turns := int(time.Second / gap)
		now := time.Now()
		for range turns {
			now = now.Add(gap)
			if p.mayNap(now, 1, patience) {
				n++
			}
		}
		return n * second / turns
	}
	t.Run("Few", func(t *testing.T) {
		t.Parallel()
		require.Greater(t, naps(WhileFew, 2*time.Millisecond), second*9/10)
		require.Greater(t, naps(AtAnyPace, 2*time.Millisecond), second*9/10)
		require.Zero(t, naps(Urgent, 2*time.Millisecond))
	})
	t.Run("Many", func(t *testing.T) {
		t.Parallel()
		require.Less(t, naps(WhileFew, 100*time.Microsecond), second/10)
		require.Greater(t, naps(AtAnyPace, 100*time.Microsecond), second*9/10)
	})
	t.Run("Alone", func(t *testing.T) { // nothing would meet
		t.Parallel()
		require.Zero(t, naps(AtAnyPace, 50*time.Millisecond))
	})
	t.Run("QuietAgain", func(t *testing.T) {
		t.Parallel()
		var p pace
		now := time.Now()
		for range 10 {
			now = now.Add(time.Millisecond)
			p.mayNap(now, 1, AtAnyPace)
		}
		require.True(t, p.mayNap(now, 1, AtAnyPace))
		require.False(t, p.mayNap(now, 0, AtAnyPace))
		require.False(t, p.mayNap(now.Add(10*napLength), 1, AtAnyPace))
	})
}
