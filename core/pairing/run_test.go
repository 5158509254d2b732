package pairing

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func TestRun_AFreedMitraIsOfferedTheOldestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		s, stop := d.run(t)
		defer stop()
		oldest, _ := d.wait(), d.wait()
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		freedAt := time.Now()
		mitra := mitras(1)
		s.Freed(mitra)
		synctest.Wait()
		require.Equal(t, []offering{{mitra[0], oldest.SessionID, freedAt}}, d.offered)
		require.Equal(t, uint64(1), s.Stats().WaitingServed)
	})
}

func TestRun_WaitingSearchesAreServedOldestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.waveSize = 1 // so that each search takes one mitra
		s, stop := d.run(t)
		defer stop()
		var want []core.SessionID
		for range 5 {
			want = append(want, d.wait().SessionID)
		}
		for _, mitra := range mitras(5) {
			s.Freed([]core.MitraID{mitra})
			synctest.Wait()
		}
		var got []core.SessionID
		for _, o := range d.offered {
			got = append(got, o.session)
		}
		require.Equal(t, want, got)
	})
}

// A mitra whose moment nobody noticed is found by the tick.
func TestRun_AMissedMitraIsOfferedWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		_, stop := d.run(t)
		defer stop()
		time.Sleep(10*time.Second + 100*time.Millisecond)
		synctest.Wait()
		w := d.wait()
		d.locked(func() { d.available = mitras(1) })
		since := time.Now()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, d.offered, 1)
		require.Equal(t, w.SessionID, d.offered[0].session)
		require.LessOrEqual(t, d.offered[0].at.Sub(since), time.Second)
	})
}

func TestRun_ATickAsksNoMoreMitrasThanCanHaveOffers(t *testing.T) {
	t.Parallel()
	require.Equal(t, 5, enough(1, 5))
	require.Equal(t, MaxConsidered, enough(1000, 5))
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.available = mitras(40)
		w := d.wait()
		_, stop := d.run(t)
		defer stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, d.asked[w.SessionID], d.waveSize)
	})
}

// A thousand mitras come online and nobody waits: the queue is read a few times, no mitra is locked.
func TestRun_FreedMitrasCostLittleWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		s, stop := d.run(t)
		defer stop()
		synctest.Wait()
		before := d.reads
		s.Freed(mitras(1000))
		synctest.Wait()
		require.LessOrEqual(t, d.reads-before, 10)
		require.Empty(t, d.offered)
		require.Zero(t, s.Stats().FreedPending)
	})
}

func TestRun_Positions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		first, second := d.wait(), d.wait()
		start := time.Now()
		_, stop := d.run(t)
		defer stop()
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []place{
			{first.CustomerID, 1, start.Add(time.Second)},
			{second.CustomerID, 2, start.Add(time.Second)},
			{first.CustomerID, 1, start.Add(3 * time.Second)},
			{second.CustomerID, 2, start.Add(3 * time.Second)},
		}, d.positions)
	})
}

func TestRun_NoPositionsWithoutListeners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.listening = false
		d.wait()
		_, stop := d.run(t)
		defer stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Empty(t, d.positions)
	})
}

func TestRun_ExpiresEveryOfferThatIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		s, stop := d.run(t)
		defer stop()
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		d.locked(func() { d.expirable = 3*expiryBatch + 1 })
		time.Sleep(expiryEvery)
		synctest.Wait()
		require.Zero(t, d.expirable)
		require.Equal(t, uint64(3*expiryBatch+1), s.Stats().OffersExpired)
	})
}

func TestRun_SurvivesAnOutageOfTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.queueErr = errors.New("connection refused")
		s, stop := d.run(t)
		defer stop()
		d.wait()
		found := mitras(1)
		d.locked(func() { d.available = found })
		s.Freed(found)
		time.Sleep(time.Minute + time.Millisecond)
		synctest.Wait()
		require.Empty(t, d.offered)
		d.locked(func() { d.queueErr = nil })
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, d.offered, 1)
	})
}

func TestRun_StopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		s, stop := d.run(t)
		stop() // synctest fails if a goroutine is left
		s.Freed(mitras(3))
		require.Equal(t, uint64(3), s.Stats().FreedPending, "Freed does not block when nobody listens")
	})
}

func TestFreed_EachOnceInOrder(t *testing.T) {
	t.Parallel()
	f := newFreed()
	ids := mitras(3)
	f.add(ids[:2])
	f.add(ids[1:])
	f.add(nil)
	require.Equal(t, ids[:2], f.take(2))
	f.add(ids[:1])
	require.Equal(t, []core.MitraID{ids[2], ids[0]}, f.take(10))
	require.Empty(t, f.take(10))
}
