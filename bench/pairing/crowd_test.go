package pairing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/protocol"
)

func TestClaim(t *testing.T) {
	t.Parallel()
	due := time.Now()
	result := &Result{Refused: map[protocol.ErrorCode]int{}}
	one := &trial{result: result, due: due}
	c := &Crowd{first: 5, trials: []*trial{one}}
	for _, stranger := range []int{-1, 4, 6} {
		require.Nil(t, c.claim(stranger, false, due), "of another row of requests")
	}
	require.Nil(t, c.claim(5, true, due.Add(3*time.Millisecond)), "this mitra has a session")
	require.Same(t, one, c.claim(5, false, due.Add(4*time.Millisecond)))
	require.Nil(t, c.claim(5, false, due), "taken")
	require.EqualValues(t, 1, result.FirstOffer.Count())
	require.Equal(t, 3*time.Millisecond, result.FirstOffer.Max(), "whoever had it first, counted from when the request was to leave")

	(&person{crowd: c, mitra: true}).refused(asking{trial: one, accept: due}, protocol.CodeAtCapacity)
	require.Equal(t, map[protocol.ErrorCode]int{protocol.CodeAtCapacity: 1}, result.Refused)
	require.Same(t, one, c.claim(5, false, due.Add(10*time.Millisecond)), "another mitra may")
	for range 2 {
		c.told(one, due.Add(15*time.Millisecond))
	}
	require.Equal(t, 1, result.Paired)
	require.Equal(t, 5*time.Millisecond, result.Told.Max())
	require.Equal(t, 15*time.Millisecond, result.Whole.Max())
	require.Zero(t, c.missing(result))
}

func TestRefused_ACustomerIsFreeAgain(t *testing.T) {
	t.Parallel()
	one := &trial{result: &Result{Refused: map[protocol.ErrorCode]int{}}}
	c := &Crowd{free: make(chan *person, 1), trials: []*trial{one}}
	p := &person{crowd: c, trial: one}
	p.refused(asking{}, protocol.CodeWrongState) // the answer to something else
	require.Empty(t, c.free)
	p.refused(asking{trial: one}, protocol.CodeUnavailable)
	require.Same(t, p, <-c.free)
	require.Equal(t, 1, one.result.Refused[protocol.CodeUnavailable])
}
