package hub

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/halobestie/bestie-gateway/core"
)

// Conn is a connection as the hub sees it.
type Conn interface {
	comparable
	User() core.UserID // never changes
	Epoch() int64      // the mitra's connection epoch; 0 while it has none
}

const shards = 64

// Hub finds the connections of a user on this instance. All methods are safe for concurrent use and none blocks longer than a
// map operation: nothing is called or sent while a lock is held.
type Hub[C Conn] struct {
	shards [shards]shard[C]
	conns  atomic.Int64
}

// shard is a part of the users. Nearly everybody has one connection, so the first stands in a map without slices: 24
// bytes a user before the map's own spare room.
type shard[C Conn] struct {
	mu    sync.RWMutex
	first map[core.UserID]C
	more  map[core.UserID][]C // further ones, in order of arrival; never empty slices
}

// New makes an empty hub.
func New[C Conn]() *Hub[C] {
	h := new(Hub[C])
	for i := range h.shards {
		h.shards[i].first = make(map[core.UserID]C)
		h.shards[i].more = make(map[core.UserID][]C)
	}
	return h
}

// of is the user's shard. The last bytes of a UUIDv7 are random; its first ones are the time.
func (h *Hub[C]) of(user core.UserID) *shard[C] { return &h.shards[user[15]%shards] }

// Add registers a connection. Adding one twice is the caller's mistake.
func (h *Hub[C]) Add(c C) {
	user := c.User()
	s := h.of(user)
	s.mu.Lock()
	if _, taken := s.first[user]; taken {
		s.more[user] = append(s.more[user], c)
	} else {
		s.first[user] = c
	}
	s.mu.Unlock()
	h.conns.Add(1)
}

// Remove forgets a connection; false when it was not there.
func (h *Hub[C]) Remove(c C) bool {
	user := c.User()
	s := h.of(user)
	s.mu.Lock()
	removed := s.removeLocked(user, c)
	s.mu.Unlock()
	if removed {
		h.conns.Add(-1)
	}
	return removed
}

func (s *shard[C]) removeLocked(user core.UserID, c C) bool {
	first, there := s.first[user]
	if !there {
		return false
	}
	more := s.more[user]
	switch i := slices.Index(more, c); {
	case first == c && len(more) == 0:
		delete(s.first, user)
		return true
	case first == c:
		s.first[user] = more[0]
		more = slices.Delete(more, 0, 1)
	case i >= 0:
		more = slices.Delete(more, i, i+1)
	default:
		return false
	}
	if len(more) == 0 {
		delete(s.more, user)
	} else {
		s.more[user] = more
	}
	return true
}

// Of appends the user's connections to dst, the oldest first.
func (h *Hub[C]) Of(user core.UserID, dst []C) []C {
	s := h.of(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if first, there := s.first[user]; there {
		dst = append(append(dst, first), s.more[user]...)
	}
	return dst
}

// Below appends to dst those of a mitra's connections that an epoch replaces: they have one, and it is lower. A
// connection whose epoch is still on its way is not among them: it may well be the newer one.
func (h *Hub[C]) Below(user core.UserID, epoch int64, dst []C) []C {
	from := len(dst)
	dst = h.Of(user, dst)
	kept := slices.DeleteFunc(dst[from:], func(c C) bool {
		has := c.Epoch()
		return has == 0 || has >= epoch
	})
	return dst[:from+len(kept)]
}

// Newest is the connection of the user that was added last; false without any.
func (h *Hub[C]) Newest(user core.UserID) (C, bool) {
	s := h.of(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if more := s.more[user]; len(more) > 0 {
		return more[len(more)-1], true
	}
	c, there := s.first[user]
	return c, there
}

// Len is the number of connections.
func (h *Hub[C]) Len() int { return int(h.conns.Load()) }
