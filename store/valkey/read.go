package valkey

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// snapshotTTL is how long availability:snapshot is believed without being counted anew.
const snapshotTTL = 10 * time.Second

// apart is how far clocks of ours may be apart; a heartbeat further in the future is none. The scripts have it too.
const apart = 5 * time.Second

// maxPage bounds a page of candidates, and with it how long the script holds the server.
const maxPage = 1000

// snapshot is the content of availability:snapshot and of the availability channel.
type snapshot struct {
	Available int   `json:"available"`
	At        int64 `json:"at"`
}

func (s snapshot) availability() presence.Availability {
	return presence.Availability{Count: s.Available, At: time.UnixMilli(s.At)}
}

// Available implements presence.MirrorReader.
func (m *Mirror) Available(ctx context.Context) (presence.Availability, error) {
	var found *snapshot
	err := m.link.Call(ctx, "snapshot", func(ctx context.Context, conn driver.Client) error {
		results := conn.DoMulti(ctx,
			conn.B().Exists().Key(m.keys.epoch).Build(),
			conn.B().Get().Key(m.keys.snapshot).Build())
		if err := seeded(results[0]); err != nil {
			return err
		}
		text, err := results[1].AsBytes()
		if errors.Is(err, driver.Nil) || link.IsWrongType(err) {
			return nil // the count that follows makes one
		}
		if err != nil {
			return err
		}
		var s snapshot
		if json.Unmarshal(text, &s) == nil && s.At > 0 && s.Available >= 0 {
			found = &s
		}
		return nil
	})
	if err != nil {
		return presence.Availability{}, err
	}
	if found != nil {
		return found.availability(), nil
	}
	now, _, err := m.Recount(ctx)
	return now, err
}

// seeded judges EXISTS mirror:epoch.
func seeded(result driver.ValkeyResult) error {
	n, err := result.AsInt64()
	if err == nil && n == 0 {
		return presence.ErrUnseeded
	}
	return err
}

// FindAvailable implements presence.MirrorReader. Pages grow, so that even a long head of mitras whose instance died is passed
// in few round trips.
func (m *Mirror) FindAvailable(ctx context.Context, k int, exclude []core.MitraID) ([]core.MitraID, error) {
	var found []core.MitraID
	page := min(k+len(exclude)+8, maxPage)
	for first := 0; len(found) < k; {
		ids, looked, err := m.candidates(ctx, first, page)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if len(found) < k && !slices.Contains(exclude, id) && !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
		if looked < page {
			break
		}
		first += page
		page = min(4*page, maxPage)
	}
	return found, nil
}

// candidates reads one page of mitras:waiting: the fresh ones of it, and how many it looked at.
func (m *Mirror) candidates(ctx context.Context, first, page int) (ids []core.MitraID, looked int, err error) {
	call := link.ScriptCall{
		Keys: []string{m.keys.waiting, m.keys.available, m.keys.epoch},
		Args: []string{strconv.Itoa(first), strconv.Itoa(first + page - 1), millis(m.stale)},
	}
	var list []string
	err = m.link.Call(ctx, "candidates", func(ctx context.Context, conn driver.Client) (err error) {
		list, err = candidatesScript.Run(ctx, conn, call)[0].AsStrSlice()
		if errors.Is(err, driver.Nil) {
			return presence.ErrUnseeded
		}
		if err == nil && len(list) == 0 {
			return link.ErrShape
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	looked, err = strconv.Atoi(list[0])
	return mitras(list[1:]), looked, err
}

// mitras parses ids and leaves out what is none: a foreign member is the reseed's to remove.
func mitras(texts []string) []core.MitraID {
	ids := make([]core.MitraID, 0, len(texts))
	for _, text := range texts {
		if id, err := core.ParseID[core.MitraID](text); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// IsReachable implements presence.MirrorReader.
func (m *Mirror) IsReachable(ctx context.Context, mitra core.MitraID) (bool, error) {
	id := mitra.String()
	var reachable bool
	err := m.link.Call(ctx, "reachable", func(ctx context.Context, conn driver.Client) error {
		results := conn.DoMulti(ctx,
			conn.B().Exists().Key(m.keys.epoch).Build(),
			conn.B().Sismember().Key(m.keys.online).Member(id).Build(),
			conn.B().Sismember().Key(m.keys.deactivated).Member(id).Build(),
			conn.B().Get().Key(m.keys.heartbeat(id)).Build())
		if err := seeded(results[0]); err != nil {
			return err
		}
		online, err := results[1].AsBool()
		if err != nil {
			return err
		}
		deactivated, err := results[2].AsBool()
		if err != nil {
			return err
		}
		text, err := results[3].ToString()
		if err != nil && !errors.Is(err, driver.Nil) {
			return err
		}
		beat := parseBeat(text)
		age := m.Now().Sub(beat)
		reachable = online && !deactivated && age < m.stale && age >= -apart
		return nil
	})
	return reachable, err
}

// Heartbeats implements presence.MirrorReader.
func (m *Mirror) Heartbeats(ctx context.Context, ids []core.MitraID) ([]time.Time, error) {
	last := make([]time.Time, 0, len(ids))
	for chunk := range slices.Chunk(ids, maxPage) {
		err := m.link.Call(ctx, "heartbeats", func(ctx context.Context, conn driver.Client) error {
			command := conn.B().Mget().Key(m.keys.heartbeat(chunk[0].String()))
			for _, id := range chunk[1:] {
				command = command.Key(m.keys.heartbeat(id.String()))
			}
			results := conn.DoMulti(ctx, conn.B().Exists().Key(m.keys.epoch).Build(), command.Build())
			if err := seeded(results[0]); err != nil {
				return err
			}
			texts, err := results[1].AsStrSlice() // a missing one is ""
			if err == nil && len(texts) != len(chunk) {
				err = link.ErrShape
			}
			for _, text := range texts {
				last = append(last, parseBeat(text))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// parseBeat reads a mitra:heartbeat:<id>; zero when it cannot be read, as if there were none.
func parseBeat(text string) time.Time {
	at, err := time.Parse(isoMillis, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Counts implements presence.MirrorReader.
func (m *Mirror) Counts(ctx context.Context) (presence.Counts, error) {
	counts := presence.Counts{Whole: true}
	err := m.link.Call(ctx, "counts", func(ctx context.Context, conn driver.Client) error {
		fresh := "(" + strconv.FormatInt(m.Now().Add(-m.stale).UnixMilli(), 10)
		soonest := strconv.FormatInt(m.Now().Add(apart).UnixMilli(), 10)
		results := conn.DoMulti(ctx,
			conn.B().Exists().Key(m.keys.epoch).Build(),
			conn.B().Scard().Key(m.keys.online).Build(),
			conn.B().Scard().Key(m.keys.deactivated).Build(),
			conn.B().Zcount().Key(m.keys.available).Min(fresh).Max(soonest).Build(),
			conn.B().Zcard().Key(m.keys.waiting).Build(),
			conn.B().Hlen().Key(m.keys.sockets).Build())
		if err := seeded(results[0]); err != nil {
			return err
		}
		for i, field := range []*int{&counts.Online, &counts.Deactivated, &counts.Available, &counts.Waiting, &counts.Sockets} {
			n, err := results[i+1].AsInt64()
			if err != nil {
				return err
			}
			*field = int(n)
		}
		return nil
	})
	return counts, err
}

// Recount implements presence.Beacon.
func (m *Mirror) Recount(ctx context.Context) (now presence.Availability, changed bool, err error) {
	err = m.link.Call(ctx, "recount", func(ctx context.Context, conn driver.Client) error {
		list, err := recountScript.Run(ctx, conn, link.ScriptCall{
			Keys: []string{m.keys.available, m.keys.snapshot, m.keys.epoch},
			Args: []string{millis(m.stale), millis(snapshotTTL)},
		})[0].AsIntSlice()
		if errors.Is(err, driver.Nil) {
			return presence.ErrUnseeded
		}
		if err != nil {
			return err
		}
		if len(list) != 3 {
			return link.ErrShape
		}
		now, changed = snapshot{Available: int(list[0]), At: list[1]}.availability(), list[2] == 1
		return nil
	})
	return now, changed, err
}

// Announce implements presence.Beacon.
func (m *Mirror) Announce(ctx context.Context, a presence.Availability) error {
	return m.bus.PublishAvailability(ctx, a)
}

// Listening implements presence.Beacon.
func (m *Mirror) Listening() bool { return m.bus.Live() }
