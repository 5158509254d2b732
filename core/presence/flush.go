package presence

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// saveEvery is how often heartbeats go to Postgres while Valkey cannot be reached from here.
	saveEvery = 15 * time.Second
	// saveAgain is when that is tried again after a failure.
	saveAgain = 2 * time.Second
	// lastFlush bounds what is written after the end.
	lastFlush = time.Second
)

// flusher brings heartbeats and sockets to the mirror. What one flush cannot write, the next one does: in this order, so that a
// beat of a socket never follows its drop. All fields are its goroutine's.
type flusher struct {
	*Service
	pending  map[core.MitraID]time.Time // beats that are not written yet
	buffer   []Heartbeat
	nextSave time.Time // to Postgres; zero while Valkey is up
	refusals refusals
	outage   core.Outage
}

func (s *Service) newFlusher() *flusher {
	return &flusher{
		Service: s,
		pending: make(map[core.MitraID]time.Time),
		outage:  core.Outage{Log: s.log, What: "saving heartbeats to Postgres"},
	}
}

func (f *flusher) run(ctx context.Context) {
	ticker := time.NewTicker(f.cfg.Flush)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-f.flushNow:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			f.flush(last)
			return
		}
		f.flush(ctx)
	}
}

// flush does one round.
func (f *flusher) flush(ctx context.Context) {
	up, down, rebeat := f.collect()
	if !f.mirror.Up() {
		f.sockets.giveBack(up, down)
		f.saveBeats(ctx)
		return
	}
	f.nextSave = time.Time{}
	for _, beat := range rebeat {
		if _, newer := f.pending[beat.MitraID]; !newer {
			f.pending[beat.MitraID] = beat.At
		}
	}
	if err := f.write(ctx, up, down); f.failed(err) {
		f.sockets.giveBack(up, down)
		f.refusals.note(f.Service)
		return
	}
	f.refusals = 0
}

// write brings everything to the mirror; after an error all of it may be brought again.
func (f *flusher) write(ctx context.Context, up []Socket, down []Dropped) error {
	if err := f.writeBeats(ctx); err != nil {
		return err
	}
	if len(up) > 0 {
		if err := f.mirror.SocketsUp(ctx, up); err != nil {
			return err
		}
		f.Touch(mitrasOf(up))
	}
	if len(down) > 0 {
		if err := f.mirror.SocketsDown(ctx, down); err != nil {
			return err
		}
		wake(f.recountNow)
	}
	return nil
}

// collect takes what came since the last flush.
func (f *flusher) collect() (up []Socket, down []Dropped, rebeat []Heartbeat) {
	now := f.clock()
	f.gathered.take(func(id core.MitraID) { f.pending[id] = now })
	if len(f.pending) > 0 {
		f.sockets.heard(f.pending)
	}
	up, down, rebeat = f.sockets.take()
	for _, d := range down {
		delete(f.pending, d.MitraID)
	}
	return up, down, rebeat
}

// writeBeats writes what is pending, or keeps it.
func (f *flusher) writeBeats(ctx context.Context) error {
	if len(f.pending) == 0 {
		return nil
	}
	f.buffer = f.buffer[:0]
	for id, at := range f.pending {
		f.buffer = append(f.buffer, Heartbeat{MitraID: id, At: at})
	}
	deactivated, err := f.mirror.Beat(ctx, f.buffer)
	if len(deactivated) > 0 {
		f.audience.Deactivated(deactivated)
	}
	if err != nil {
		f.counters.beatsKept.Add(uint64(len(f.buffer)))
		return err
	}
	f.counters.beats.Add(uint64(len(f.buffer)))
	clear(f.pending)
	return nil
}

// saveBeats keeps Postgres told who is alive here while Valkey cannot be, so that instances whose Valkey is fine do not take
// our mitras offline; and learns who was deactivated.
func (f *flusher) saveBeats(ctx context.Context) {
	now := time.Now()
	if now.Before(f.nextSave) {
		return
	}
	beats := f.sockets.beats()
	for id, at := range f.pending {
		if !f.sockets.has(id) {
			beats = append(beats, Heartbeat{MitraID: id, At: at})
		}
	}
	f.nextSave = now.Add(saveEvery)
	if len(beats) == 0 {
		return
	}
	deactivated, err := f.beats.SaveHeartbeats(ctx, beats)
	if len(deactivated) > 0 {
		f.audience.Deactivated(deactivated)
	}
	if f.outage.Note(ctx, err) != nil {
		f.nextSave = time.Now().Add(saveAgain)
		return
	}
	f.counters.beatsSaved.Add(uint64(len(beats)))
}

func mitrasOf(sockets []Socket) []core.MitraID {
	ids := make([]core.MitraID, len(sockets))
	for i, socket := range sockets {
		ids[i] = socket.MitraID
	}
	return ids
}
