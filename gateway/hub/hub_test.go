package hub_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/hub"
)

// conn is a connection of nothing but an identity.
type conn struct {
	user  core.UserID
	epoch atomic.Int64
}

func (c *conn) User() core.UserID { return c.user }
func (c *conn) Epoch() int64      { return c.epoch.Load() }

func newConn(user core.UserID, epoch int64) *conn {
	c := &conn{user: user}
	c.epoch.Store(epoch)
	return c
}

func TestHub(t *testing.T) {
	t.Parallel()
	mitra, customer := core.NewID[core.UserID](), core.NewID[core.UserID]()

	t.Run("OK several connections of one user, the oldest first", func(t *testing.T) {
		t.Parallel()
		h := hub.New[*conn]()
		first, second, third := newConn(customer, 0), newConn(customer, 0), newConn(customer, 0)
		for _, c := range []*conn{first, second, third} {
			h.Add(c)
		}
		require.Equal(t, []*conn{first, second, third}, h.Of(customer, nil))
		require.True(t, h.Remove(first))
		require.Equal(t, []*conn{second, third}, h.Of(customer, nil))
		newest, there := h.Newest(customer)
		require.True(t, there)
		require.Same(t, third, newest)
		require.Equal(t, 2, h.Len())
		require.Empty(t, h.Of(mitra, nil), "another user's are not told")
	})

	t.Run("OK a newer epoch replaces the lower ones, not those without", func(t *testing.T) {
		t.Parallel()
		h := hub.New[*conn]()
		old, onItsWay, newer := newConn(mitra, 3), newConn(mitra, 0), newConn(mitra, 7)
		for _, c := range []*conn{old, onItsWay, newer} {
			h.Add(c)
		}
		require.Equal(t, []*conn{old}, h.Below(mitra, 7, nil))
		require.Empty(t, h.Below(mitra, 3, nil))
	})

	t.Run("OK the late close of a replaced connection removes it alone", func(t *testing.T) {
		t.Parallel()
		h := hub.New[*conn]()
		old, newer := newConn(mitra, 1), newConn(mitra, 2)
		h.Add(old)
		h.Add(newer)
		require.True(t, h.Remove(old))
		require.False(t, h.Remove(old), "a second time")
		require.Equal(t, []*conn{newer}, h.Of(mitra, nil))
		require.True(t, h.Remove(newer))
		require.Empty(t, h.Of(mitra, nil))
		require.Zero(t, h.Len())
		_, there := h.Newest(mitra)
		require.False(t, there)
	})
}

// TestHubModel compares the hub with lists in a map over random operations.
func TestHubModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		users := make([]core.UserID, 4)
		for i := range users {
			users[i][15] = byte(i % 2) // two of them share a shard
			users[i][0] = byte(i)
		}
		h, model := hub.New[*conn](), map[core.UserID][]*conn{}
		var epoch int64
		user := rapid.SampledFrom(users)
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				c := newConn(user.Draw(t, "user"), 0)
				h.Add(c)
				model[c.user] = append(model[c.user], c)
			},
			"take an epoch and replace": func(t *rapid.T) {
				u := user.Draw(t, "user")
				if len(model[u]) == 0 {
					t.Skip("nobody")
				}
				c := rapid.SampledFrom(model[u]).Draw(t, "connection")
				if c.Epoch() != 0 {
					t.Skip("it has one")
				}
				epoch++
				c.epoch.Store(epoch)
				var lower []*conn
				for _, other := range model[u] {
					if e := other.Epoch(); e != 0 && e < epoch {
						lower = append(lower, other)
					}
				}
				require.True(t, slices.Equal(lower, h.Below(u, epoch, nil)))
			},
			"unregister": func(t *rapid.T) {
				u := user.Draw(t, "user")
				if len(model[u]) == 0 {
					require.False(t, h.Remove(newConn(u, 0)))
					return
				}
				i := rapid.IntRange(0, len(model[u])-1).Draw(t, "which")
				require.True(t, h.Remove(model[u][i]))
				model[u] = slices.Delete(model[u], i, i+1)
			},
			"": func(t *rapid.T) {
				total := 0
				for _, u := range users {
					total += len(model[u])
					require.True(t, slices.Equal(model[u], h.Of(u, nil)))
					newest, there := h.Newest(u)
					require.Equal(t, len(model[u]) > 0, there)
					if there {
						require.Same(t, model[u][len(model[u])-1], newest)
					}
				}
				require.Equal(t, total, h.Len())
			},
		})
	})
}

func TestHubConcurrently(t *testing.T) {
	t.Parallel()
	h := hub.New[*conn]()
	users := make([]core.UserID, 8)
	for i := range users {
		users[i] = core.NewID[core.UserID]()
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 500 {
				c := newConn(users[(worker+i)%len(users)], int64(i))
				h.Add(c)
				require.Contains(t, h.Of(c.user, nil), c)
				h.Below(c.user, 250, nil)
				require.True(t, h.Remove(c))
			}
		})
	}
	all.Wait()
	require.Zero(t, h.Len())
}
