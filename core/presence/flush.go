package presence

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// saveAgain is when a save of heartbeats to Postgres is tried again after a failure.
	saveAgain = 2 * time.Second
	// lastFlush bounds what is written after the end.
	lastFlush = time.Second
	// flushed is how many heartbeats are enough for a flush of their own, but for shortestFlush: thousands at once keep Valkey and us
	// from everybody else for milliseconds. Of 10,000 heartbeats a second on two cores the acks' p99 is 0.6 ms instead of 1.6, at
	// the same processor time.
	flushed       = 250
	shortestFlush = 25 * time.Millisecond
)

// flusher brings heartbeats and sockets to the mirror. What one flush cannot write, the next one does: in this order, so that a
// beat of a socket never follows its drop. All fields are its goroutine's.
type flusher struct {
	*Service
	pending  map[core.MitraID]time.Time // beats that came since the last flush
	late     map[core.MitraID]time.Time // beats that an earlier flush could not write, and those to be written again
	wrote    int                        // beats of the last flush
	looked   time.Time                  // the last collect
	window   time.Duration              // from the one before to it
	buffer   []Heartbeat
	nextSave time.Time // to Postgres; zero while Valkey is up
	refusals refusals
	outage   core.Outage
}

func (s *Service) newFlusher() *flusher {
	return &flusher{
		Service: s,
		pending: make(map[core.MitraID]time.Time),
		late:    make(map[core.MitraID]time.Time),
		outage:  core.Outage{Log: s.log, What: "saving heartbeats to Postgres"},
	}
}

func (f *flusher) run(ctx context.Context) {
	next := time.NewTimer(f.cfg.Flush)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-f.flushNow:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			f.flush(last)
			return
		}
		f.flush(ctx)
		next.Reset(f.pause())
	}
}

// pause is until the next flush: HEARTBEAT_FLUSH_MS, or less when enough will have come.
func (f *flusher) pause() time.Duration {
	if f.wrote == 0 {
		return f.cfg.Flush
	}
	enough := f.window * flushed / time.Duration(f.wrote)
	return min(max(enough, shortestFlush), f.cfg.Flush)
}

// flush does one round.
func (f *flusher) flush(ctx context.Context) {
	f.wrote = 0
	up, down, rebeat := f.collect()
	if !f.mirror.Up() {
		f.sockets.giveBack(up, down)
		f.keep()
		f.saveBeats(ctx)
		return
	}
	f.nextSave = time.Time{}
	now := f.clock()
	for _, beat := range rebeat {
		if beat.At.After(now) { // by a clock of ours that has since been put right
			beat.At = now
		}
		f.late[beat.MitraID] = beat.At
	}
	if err := f.write(ctx, up, down); f.failed(err) {
		f.sockets.giveBack(up, down)
		f.keep()
		f.refusals.note(f.Service)
		return
	}
	f.refusals = 0
}

// write brings everything to the mirror; after an error all of it may be brought again.
func (f *flusher) write(ctx context.Context, up []raised, down []Dropped) error {
	if err := f.writeBeats(ctx); err != nil {
		return err
	}
	if len(up) > 0 {
		if err := f.raise(ctx, up); err != nil {
			return err
		}
	}
	if len(down) > 0 {
		if err := f.mirror.SocketsDown(ctx, down); err != nil {
			return err
		}
		wake(f.recountNow)
	}
	return nil
}

// raise enters sockets, and has the mitras mirrored whose sockets are new to the mirror.
func (f *flusher) raise(ctx context.Context, up []raised) error {
	sockets := make([]Socket, len(up))
	var touch []core.MitraID
	for i, socket := range up {
		sockets[i] = socket.Socket
		if socket.mirror {
			touch = append(touch, socket.MitraID)
		}
	}
	entered, err := f.mirror.SocketsUp(ctx, sockets)
	if err == nil {
		f.Touch(touch)
	}
	f.Touch(entered)
	return err
}

// collect takes what came since the last flush. After a pause of this process nobody knows when that was, so it is forgotten: a mitra
// that lives has beaten meanwhile, and that is read in a moment; one that does not may be elsewhere by now.
func (f *flusher) collect() (up []raised, down []Dropped, rebeat []Heartbeat) {
	now, looked := f.clock(), time.Now()
	f.window = looked.Sub(f.looked)
	woken := !f.looked.IsZero() && f.window > paused
	f.looked = looked
	f.gathered.take(func(id core.MitraID) {
		if !woken {
			f.pending[id] = now
		}
	})
	if len(f.pending) > 0 {
		f.sockets.heard(f.pending)
	}
	up, down, rebeat = f.sockets.take()
	for _, d := range down {
		delete(f.pending, d.MitraID)
		delete(f.late, d.MitraID)
	}
	return up, down, rebeat
}

// keep puts what could not be written aside for the next flush, when it is of an earlier time.
func (f *flusher) keep() {
	f.counters.beatsKept.Add(uint64(len(f.pending)))
	for id, at := range f.pending {
		f.late[id] = at
	}
	clear(f.pending)
}

// writeBeats writes what is late, as far as nothing newer came, and what is pending.
func (f *flusher) writeBeats(ctx context.Context) error {
	for id := range f.pending {
		delete(f.late, id)
	}
	if len(f.late) > 0 {
		if err := f.mirror.BeatLate(ctx, f.list(f.late)); err != nil {
			return err
		}
		f.counters.beats.Add(uint64(len(f.late)))
		clear(f.late)
	}
	if len(f.pending) == 0 {
		return nil
	}
	beats := f.list(f.pending)
	spread(beats, min(f.window, f.cfg.Flush))
	deactivated, err := f.mirror.Beat(ctx, beats)
	if len(deactivated) > 0 {
		f.audience.Deactivated(deactivated)
	}
	if err != nil {
		return err
	}
	f.wrote = len(f.pending)
	f.counters.beats.Add(uint64(f.wrote))
	clear(f.pending)
	return nil
}

// spread puts beats in order and dates them evenly over the time in which they came, up to the time that they all have: nobody knows better,
// and an index by time takes in what comes in its order for half the price of what comes at once.
func spread(beats []Heartbeat, window time.Duration) {
	slices.SortFunc(beats, func(a, b Heartbeat) int { return bytes.Compare(a.MitraID[:], b.MitraID[:]) })
	last := len(beats) - 1
	for i := range beats {
		beats[i].At = beats[i].At.Add(-window * time.Duration(last-i) / time.Duration(len(beats)))
	}
}

// list is beats as the stores take them, good until the next call.
func (f *flusher) list(beats map[core.MitraID]time.Time) []Heartbeat {
	f.buffer = f.buffer[:0]
	for id, at := range beats {
		f.buffer = append(f.buffer, Heartbeat{MitraID: id, At: at})
	}
	return f.buffer
}

// saveBeats keeps Postgres told who is alive here while Valkey cannot be, so that instances whose Valkey is fine do not take
// our mitras offline; and learns who was deactivated.
func (f *flusher) saveBeats(ctx context.Context) {
	now := time.Now()
	if now.Before(f.nextSave) {
		return
	}
	beats := f.sockets.beats()
	for id, at := range f.late {
		if !f.sockets.has(id) {
			beats = append(beats, Heartbeat{MitraID: id, At: at})
		}
	}
	f.nextSave = now.Add(f.cfg.saveEvery())
	if len(beats) == 0 {
		return
	}
	deactivated, err := f.beats.SaveHeartbeats(ctx, beats, f.clock())
	if len(deactivated) > 0 {
		f.audience.Deactivated(deactivated)
	}
	if f.outage.Note(ctx, err) != nil {
		f.nextSave = time.Now().Add(min(saveAgain, f.cfg.saveEvery()))
		return
	}
	f.counters.beatsSaved.Add(uint64(len(beats)))
}
