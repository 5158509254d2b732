package presence

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// valkey is a Mirror in memory that records what it is told.
type valkey struct {
	mu            sync.Mutex
	err           error // of every call
	down          bool  // the breaker is open
	pulse         Pulse
	deaf          bool // not listening to the bus
	holder        bool // gets every lease
	seedToken     string
	seeds         int
	emptyAtSeed   func() // called once, after the first page of a seed
	online        []Heartbeat
	onlineErrAt   uint64
	count         int
	snapshot      int // -1: none
	deactivated   []core.MitraID
	beats         [][]Heartbeat
	late          [][]Heartbeat
	spoiled       []string
	renewed       int // epochs
	reseeded      time.Time
	up            []Socket
	dropped       []Dropped
	writes        map[core.MitraID][]Mitra
	versions      map[core.MitraID]int64
	sockets       map[core.MitraID]bool
	announced     []Availability
	strangersLeft []core.MitraID
	removed       []core.MitraID
}

func (v *valkey) fails() error {
	if v.down {
		return ErrDown
	}
	return v.err
}

func (v *valkey) Beat(_ context.Context, beats []Heartbeat) ([]core.MitraID, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return nil, err
	}
	v.beats = append(v.beats, slices.Clone(beats))
	return v.deactivated, nil
}

func (v *valkey) BeatLate(_ context.Context, beats []Heartbeat) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return err
	}
	v.late = append(v.late, slices.Clone(beats))
	return nil
}

func (v *valkey) SocketsUp(_ context.Context, up []Socket) (entered []core.MitraID, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return nil, err
	}
	v.up = append(v.up, up...)
	for _, socket := range up {
		if !v.sockets[socket.MitraID] {
			entered = append(entered, socket.MitraID)
		}
		v.sockets[socket.MitraID] = true
	}
	return entered, nil
}

func (v *valkey) SocketsDown(_ context.Context, down []Dropped) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return err
	}
	v.dropped = append(v.dropped, down...)
	for _, socket := range down {
		delete(v.sockets, socket.MitraID)
	}
	return nil
}

func (v *valkey) Write(_ context.Context, mitras []Mitra, _ Write, held []int64) ([]Outcome, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return nil, err
	}
	var outcomes []Outcome
	for i, m := range mitras {
		there := v.versions[m.ID]
		if there > m.Version && (held == nil || held[i] != there) {
			outcomes = append(outcomes, Outcome{Held: there})
			continue
		}
		changed := 0
		if there != m.Version {
			changed = 1
		}
		v.versions[m.ID] = m.Version
		v.writes[m.ID] = append(v.writes[m.ID], m)
		outcomes = append(outcomes, Outcome{Changed: changed, Socket: v.sockets[m.ID]})
	}
	return outcomes, nil
}

func (v *valkey) unseeded() error {
	if err := v.fails(); err != nil {
		return err
	}
	if v.pulse.Epoch == "" {
		return ErrUnseeded
	}
	return nil
}

func (v *valkey) Available(context.Context) (Availability, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return Availability{Count: v.count, At: time.Now()}, v.unseeded()
}

func (v *valkey) FindAvailable(context.Context, int, []core.MitraID) ([]core.MitraID, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return nil, v.unseeded()
}

func (v *valkey) IsReachable(context.Context, core.MitraID) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return false, v.unseeded()
}

func (v *valkey) Heartbeats(_ context.Context, mitras []core.MitraID) ([]time.Time, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	last := make([]time.Time, len(mitras))
	for i, id := range mitras {
		if at := slices.IndexFunc(v.online, func(beat Heartbeat) bool { return beat.MitraID == id }); at >= 0 {
			last[i] = v.online[at].At
		}
	}
	return last, v.unseeded()
}

func (v *valkey) Counts(context.Context) (Counts, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return Counts{}, v.unseeded()
}

func (v *valkey) Pulse(context.Context) (Pulse, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return Pulse{}, v.err
	}
	v.down = false
	return v.pulse, nil
}

func (v *valkey) Up() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.down
}

func (v *valkey) Lease(context.Context, string, time.Duration) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.holder, v.fails()
}

func (v *valkey) Online(_ context.Context, cursor uint64) ([]Heartbeat, uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return nil, 0, err
	}
	if v.onlineErrAt > 0 && cursor >= v.onlineErrAt {
		return nil, 0, errValkey
	}
	page := v.online[cursor:min(int(cursor)+2, len(v.online))]
	next := cursor + uint64(len(page))
	if int(next) == len(v.online) {
		next = 0
	}
	return page, next, nil
}

func (v *valkey) Sound(context.Context) ([]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	spoiled := v.spoiled
	v.spoiled = nil
	return spoiled, v.fails()
}

func (v *valkey) RenewEpoch(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.renewed++
	v.pulse.Epoch = fmt.Sprint("renewed ", v.renewed)
	return v.fails()
}

func (v *valkey) Strangers(ctx context.Context, known func(context.Context, []core.MitraID) ([]core.MitraID, error)) (Removed, error) {
	v.mu.Lock()
	ids, err := slices.Clone(v.strangersLeft), v.fails()
	v.mu.Unlock()
	if err != nil {
		return Removed{}, err
	}
	there, err := known(ctx, ids)
	v.mu.Lock()
	defer v.mu.Unlock()
	unknown := slices.DeleteFunc(ids, func(id core.MitraID) bool { return slices.Contains(there, id) })
	v.removed = append(v.removed, unknown...)
	removed := Removed{Count: len(unknown)}
	for _, id := range unknown {
		removed.Which = append(removed.Which, "mitras:online "+id.String())
	}
	return removed, err
}

func (v *valkey) BeginSeed(context.Context, time.Duration) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return "", err
	}
	if v.seedToken != "" {
		return "", nil
	}
	v.seeds++
	v.seedToken = fmt.Sprint("seed ", v.seeds)
	return v.seedToken, nil
}

func (v *valkey) KeepSeed(_ context.Context, token string, _ time.Duration) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.emptyAtSeed != nil {
		v.emptyAtSeed()
		v.emptyAtSeed = nil
	}
	return token == v.seedToken, v.fails()
}

func (v *valkey) FinishSeed(_ context.Context, token string) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil || token != v.seedToken {
		return false, err
	}
	v.pulse.Epoch, v.seedToken = token, ""
	return true, nil
}

func (v *valkey) NoteReseed(_ context.Context, began time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reseeded = began
	return v.fails()
}

func (v *valkey) Reseeded(context.Context) (time.Time, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reseeded, v.fails()
}

func (v *valkey) Recount(context.Context) (Availability, bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.unseeded(); err != nil {
		return Availability{}, false, err
	}
	changed := v.snapshot != v.count
	v.snapshot = v.count
	return Availability{Count: v.count, At: time.Now()}, changed, nil
}

func (v *valkey) Announce(_ context.Context, a Availability) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return err
	}
	v.announced = append(v.announced, a)
	return nil
}

func (v *valkey) Listening() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.deaf
}
