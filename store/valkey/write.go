package valkey

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// How much goes into one command and one round trip: larger commands block the server longer and gain little.
const (
	beatsPerCommand  = 1000
	beatsPerTrip     = 10 * beatsPerCommand
	mitrasPerScript  = 125 // about a millisecond of the server's time
	socketsPerScript = 250
	callsPerTrip     = 2 // Valkey runs the commands of one round trip without a look at others
)

// isoMillis is the format of mitra:heartbeat:<id>, in UTC.
const isoMillis = "2006-01-02T15:04:05.000Z"

// Mirror is core/presence's Mirror on a Client.
type Mirror struct {
	*Client
	stale, grace time.Duration
}

var _ presence.Mirror = (*Mirror)(nil)

// Beat implements presence.MirrorWriter.
func (m *Mirror) Beat(ctx context.Context, beats []presence.Heartbeat) (deactivated []core.MitraID, err error) {
	for trip := range slices.Chunk(beats, beatsPerTrip) {
		found, err := m.beatTrip(ctx, trip)
		deactivated = append(deactivated, found...)
		if err != nil {
			return deactivated, err
		}
	}
	return deactivated, nil
}

func (m *Mirror) beatTrip(ctx context.Context, beats []presence.Heartbeat) (deactivated []core.MitraID, err error) {
	chunks := slices.Collect(slices.Chunk(beats, beatsPerCommand))
	err = m.link.Call(ctx, "heartbeats", func(ctx context.Context, conn driver.Client) error {
		commands := make(driver.Commands, 0, 3*len(chunks))
		for _, chunk := range chunks {
			commands = m.appendBeats(commands, conn, chunk)
		}
		results := conn.DoMulti(ctx, commands...)
		for _, result := range results {
			if err := result.Error(); err != nil {
				return err
			}
		}
		for n, chunk := range chunks {
			flags, err := results[3*n+2].AsIntSlice()
			if err != nil {
				return err
			}
			if len(flags) != len(chunk) {
				return link.ErrShape
			}
			for i, flag := range flags {
				if flag == 1 {
					deactivated = append(deactivated, chunk[i].MitraID)
				}
			}
		}
		return nil
	})
	return deactivated, err
}

// appendBeats appends the three commands of a chunk. Their words are cut from one text: three allocations a heartbeat less. Beats that
// come one after the other often share their time, which is then formatted once.
func (m *Mirror) appendBeats(commands driver.Commands, conn driver.Client, chunk []presence.Heartbeat) driver.Commands {
	prefix := m.keys.heartbeat("")
	var text strings.Builder
	text.Grow(len(chunk) * (len(prefix) + len(core.MitraID{}.String()) + len(isoMillis) + len("1700000000000")))
	word := func(b []byte) string {
		from := text.Len()
		text.Write(b)
		return text.String()[from:]
	}
	var scratch [128]byte
	times := conn.B().Mset().KeyValue()
	scores := append(make([]string, 0, 1+2*len(chunk)), "XX")
	ids := make([]string, len(chunk))
	var at int64
	var date, score string
	for i, beat := range chunk {
		if ms := beat.At.UnixMilli(); i == 0 || ms != at {
			at = ms
			date = word(beat.At.UTC().AppendFormat(scratch[:0], isoMillis))
			score = word(strconv.AppendInt(scratch[:0], ms, 10))
		}
		key := word(beat.MitraID.Append(append(scratch[:0], prefix...)))
		ids[i] = key[len(prefix):]
		times = times.KeyValue(key, date)
		scores = append(scores, score, ids[i])
	}
	return append(commands, times.Build(), conn.B().Arbitrary("ZADD").Keys(m.keys.available).Args(scores...).Build(),
		conn.B().Smismember().Key(m.keys.deactivated).Member(ids...).Build())
}

// BeatLate implements presence.MirrorWriter.
func (m *Mirror) BeatLate(ctx context.Context, beats []presence.Heartbeat) error {
	build := func(chunk []presence.Heartbeat) link.ScriptCall {
		call := link.ScriptCall{Keys: []string{m.keys.available}}
		for _, beat := range chunk {
			id := beat.MitraID.String()
			call.Keys = append(call.Keys, m.keys.heartbeat(id))
			call.Args = append(call.Args, id, beat.At.UTC().Format(isoMillis), strconv.FormatInt(beat.At.UnixMilli(), 10))
		}
		return call
	}
	return inTrips(ctx, m.Client, "late heartbeats", beatLateScript, beats, socketsPerScript, build, nil)
}

// SocketsUp implements presence.MirrorWriter.
func (m *Mirror) SocketsUp(ctx context.Context, up []presence.Socket) (entered []core.MitraID, err error) {
	build := func(chunk []presence.Socket) link.ScriptCall {
		call := link.ScriptCall{Keys: []string{m.keys.sockets}, Args: []string{m.owner}}
		for _, socket := range chunk {
			call.Args = append(call.Args, socket.MitraID.String(), strconv.FormatInt(socket.Epoch, 10))
		}
		return call
	}
	read := func(chunk []presence.Socket, result driver.ValkeyResult) error {
		which, err := result.AsIntSlice()
		if err != nil {
			return err
		}
		for _, n := range which {
			if n < 1 || int(n) > len(chunk) {
				return link.ErrShape
			}
			entered = append(entered, chunk[n-1].MitraID)
		}
		return nil
	}
	err = inTrips(ctx, m.Client, "sockets up", socketsUpScript, up, socketsPerScript, build, read)
	return entered, err
}

// SocketsDown implements presence.MirrorWriter.
func (m *Mirror) SocketsDown(ctx context.Context, down []presence.Dropped) error {
	build := func(chunk []presence.Dropped) link.ScriptCall {
		call := link.ScriptCall{Keys: []string{m.keys.sockets, m.keys.waiting, m.keys.available}}
		for _, socket := range chunk {
			id := socket.MitraID.String()
			call.Keys = append(call.Keys, m.keys.heartbeat(id))
			call.Args = append(call.Args, id, strconv.FormatInt(socket.Epoch, 10), m.scoreAfter(socket))
		}
		return call
	}
	return inTrips(ctx, m.Client, "sockets down", socketsDownScript, down, socketsPerScript, build, nil)
}

// scoreAfter is what mitras:available holds for a mitra without a socket: the count's window moves past it when its grace is
// over, with no timer anywhere, so that an instance that dies leaves nobody behind. "" for none.
func (m *Mirror) scoreAfter(socket presence.Dropped) string {
	gone := socket.At
	switch socket.How {
	case presence.Clean:
		return ""
	case presence.Suspect:
		gone = gone.Add(m.grace)
	}
	return strconv.FormatInt(gone.Add(-m.stale).UnixMilli(), 10)
}

// Write implements presence.MirrorWriter.
func (m *Mirror) Write(ctx context.Context, mitras []presence.Mitra, how presence.Write, held []int64) ([]presence.Outcome, error) {
	outcomes := make([]presence.Outcome, 0, len(mitras))
	next := 0 // the mitra that the next script call begins with
	build := func(chunk []presence.Mitra) link.ScriptCall {
		call := link.ScriptCall{
			Keys: m.keys.collections(),
			Args: []string{millis(m.stale), millis(m.grace), flag(how == presence.Mend)},
		}
		for i, mitra := range chunk {
			id := mitra.ID.String()
			over := int64(0)
			if held != nil {
				over = held[next+i]
			}
			call.Keys = append(call.Keys, m.keys.capacity(id), m.keys.heartbeat(id))
			call.Args = append(call.Args, id, strconv.FormatInt(mitra.Version, 10), strconv.FormatInt(over, 10),
				flag(mitra.IsOnline()), flag(mitra.Active), flag(mitra.Takes()),
				strconv.Itoa(mitra.Capacity), strconv.FormatInt(mitra.AvailableSince.UnixMilli(), 10))
		}
		next += len(chunk)
		return call
	}
	read := func(chunk []presence.Mitra, result driver.ValkeyResult) error {
		fields, err := result.AsIntSlice()
		if err != nil {
			return err
		}
		if len(fields) != 4*len(chunk) {
			return link.ErrShape
		}
		for f := range slices.Chunk(fields, 4) {
			outcomes = append(outcomes, presence.Outcome{Held: f[0], Changed: int(f[1]), Socket: f[2] == 1, Unheard: f[3] == 1})
		}
		return nil
	}
	err := inTrips(ctx, m.Client, "mirror", mirrorScript, mitras, mitrasPerScript, build, read)
	return outcomes, err
}

// inTrips runs a script over items, per of them a call and callsPerTrip calls a round trip. read, unless nil, gets every
// result in order. The first error ends it.
func inTrips[T any](ctx context.Context, c *Client, what string, s link.Script, items []T, per int,
	build func([]T) link.ScriptCall, read func([]T, driver.ValkeyResult) error,
) error {
	for trip := range slices.Chunk(items, per*callsPerTrip) {
		chunks := slices.Collect(slices.Chunk(trip, per))
		calls := make([]link.ScriptCall, len(chunks))
		for i, chunk := range chunks {
			calls[i] = build(chunk)
		}
		err := c.link.Call(ctx, what, func(ctx context.Context, conn driver.Client) error {
			for i, result := range s.Run(ctx, conn, calls...) {
				if err := result.Error(); err != nil {
					return err
				}
				if read == nil {
					continue
				}
				if err := read(chunks[i], result); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}
