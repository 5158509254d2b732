package presence

import (
	"slices"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// gatherShards keeps event loops from waiting for one another.
const gatherShards = 64

// gathered is the mitras that showed life since the last flush, some of them several times: at the end of a list one costs a third of
// what it costs in a set (46 ns, 165; both with taking it).
type gathered struct {
	shards [gatherShards]gatherShard
}

type gatherShard struct {
	mu      sync.Mutex
	filling []core.MitraID // guarded by mu
	spare   []core.MitraID // the taker's; empty between takes, so that its memory is used again
	_       [8]byte        // a cache line each
}

// The last byte of a UUID is random in all versions.
func (g *gathered) shard(id core.MitraID) *gatherShard { return &g.shards[id[15]%gatherShards] }

func (g *gathered) add(id core.MitraID) {
	s := g.shard(id)
	s.mu.Lock()
	if last := len(s.filling) - 1; last < 0 || s.filling[last] != id { // one who sends very much takes no more room for it
		s.filling = append(s.filling, id)
	}
	s.mu.Unlock()
}

func (g *gathered) forget(id core.MitraID) {
	s := g.shard(id)
	s.mu.Lock()
	s.filling = slices.DeleteFunc(s.filling, func(other core.MitraID) bool { return other == id })
	s.mu.Unlock()
}

// take empties the set into each, which may get an id several times. Only one goroutine may take.
func (g *gathered) take(each func(core.MitraID)) {
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		s.filling, s.spare = s.spare[:0], s.filling
		s.mu.Unlock()
		for _, id := range s.spare {
			each(id)
		}
	}
}

// sockets is which mitras have a live socket on this instance, and what the mirror has not been told of them yet.
type sockets struct {
	mu     sync.Mutex
	live   map[core.MitraID]liveSocket
	up     map[core.MitraID]bool     // live, to be entered; true: its mitra is to be mirrored again whether or not it was there
	rebeat map[core.MitraID]struct{} // live, whose last heartbeat is to be sent again
	down   map[core.MitraID]Dropped  // gone, to be taken away: the newest of each
}

type liveSocket struct {
	epoch int64
	beat  int64 // last sign of life, Unix ns of the cluster's clock
}

func newSockets() *sockets {
	return &sockets{
		live:   make(map[core.MitraID]liveSocket),
		up:     make(map[core.MitraID]bool),
		rebeat: make(map[core.MitraID]struct{}),
		down:   make(map[core.MitraID]Dropped),
	}
}

// opened notes a new socket, unless a newer one is known.
func (s *sockets) opened(socket Socket, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[socket.MitraID].epoch > socket.Epoch || s.down[socket.MitraID].Epoch >= socket.Epoch {
		return
	}
	s.live[socket.MitraID] = liveSocket{epoch: socket.Epoch, beat: at.UnixNano()}
	s.up[socket.MitraID] = true
	delete(s.down, socket.MitraID)
}

// dropped notes that a socket is gone. false: a newer one took its place, nothing changes.
func (s *sockets) dropped(d Dropped) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[d.MitraID].epoch > d.Epoch || s.down[d.MitraID].Epoch > d.Epoch {
		return false
	}
	delete(s.live, d.MitraID)
	delete(s.up, d.MitraID)
	delete(s.rebeat, d.MitraID)
	s.down[d.MitraID] = d
	return true
}

// heard keeps the time of a mitra's last sign of life.
func (s *sockets) heard(beats map[core.MitraID]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range beats {
		if socket, ok := s.live[id]; ok && socket.beat < at.UnixNano() {
			socket.beat = at.UnixNano()
			s.live[id] = socket
		}
	}
}

// raised is a socket that the mirror is to be told of.
type raised struct {
	Socket
	mirror bool // its mitra is to be mirrored again in any case
}

// take gives what the mirror is to be told, and counts it as told.
func (s *sockets) take() (up []raised, down []Dropped, rebeat []Heartbeat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, mirror := range s.up {
		up = append(up, raised{Socket{MitraID: id, Epoch: s.live[id].epoch}, mirror})
	}
	for _, d := range s.down {
		down = append(down, d)
	}
	for id := range s.rebeat {
		rebeat = append(rebeat, Heartbeat{MitraID: id, At: time.Unix(0, s.live[id].beat)})
	}
	clear(s.up)
	clear(s.down)
	clear(s.rebeat)
	return up, down, rebeat
}

// giveBack undoes take for what could not be told and is still so.
func (s *sockets) giveBack(up []raised, down []Dropped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, socket := range up {
		if s.live[socket.MitraID].epoch == socket.Epoch {
			s.up[socket.MitraID] = s.up[socket.MitraID] || socket.mirror
		}
	}
	for _, d := range down {
		if _, live := s.live[d.MitraID]; !live && s.down[d.MitraID].Epoch <= d.Epoch {
			s.down[d.MitraID] = d
		}
	}
}

// resend has everything sent again: the mirror may have lost it.
func (s *sockets) resend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.live {
		s.up[id] = true
		s.rebeat[id] = struct{}{}
	}
}

// confirm has the mirror look again whether all live sockets stand there.
func (s *sockets) confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.live {
		if _, asked := s.up[id]; !asked {
			s.up[id] = false
		}
	}
}

// resendBeats has the last heartbeats of these sent again, as far as their sockets are here.
func (s *sockets) resendBeats(ids []core.MitraID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if _, ok := s.live[id]; ok {
			s.rebeat[id] = struct{}{}
		}
	}
}

// has tells whether a mitra's live socket is here.
func (s *sockets) has(id core.MitraID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.live[id]
	return ok
}

// beatWithin tells whether a mitra's live socket is here and showed life after a time.
func (s *sockets) beatWithin(id core.MitraID, after time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	socket, ok := s.live[id]
	return ok && socket.beat > after.UnixNano()
}

// beats lists the last heartbeats of all live sockets.
func (s *sockets) beats() []Heartbeat {
	s.mu.Lock()
	defer s.mu.Unlock()
	beats := make([]Heartbeat, 0, len(s.live))
	for id, socket := range s.live {
		beats = append(beats, Heartbeat{MitraID: id, At: time.Unix(0, socket.beat)})
	}
	return beats
}

// count is how many live sockets there are.
func (s *sockets) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}
