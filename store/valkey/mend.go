package valkey

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// scanCount is about how many members a step of a scan reads.
const scanCount = 1000

const (
	sweepTries = 5
	sweepPause = 200 * time.Millisecond
)

// known tells which of some ids Postgres knows.
type known func(context.Context, []core.MitraID) ([]core.MitraID, error)

// Sound implements presence.MirrorKeeper.
func (m *Mirror) Sound(ctx context.Context) (spoiled []string, err error) {
	types := []string{"set", "set", "zset", "zset", "hash", "hash", "string", "string", "zset"}
	names := append(m.keys.collections(), m.keys.epoch, m.keys.snapshot, m.keys.instances)
	err = m.link.Call(ctx, "look for wrong types", func(ctx context.Context, conn driver.Client) error {
		which, err := soundScript.Run(ctx, conn, link.ScriptCall{Keys: names, Args: types})[0].AsIntSlice()
		if err != nil {
			return err
		}
		for _, n := range which {
			if n < 1 || int(n) > len(names) {
				return link.ErrShape
			}
			spoiled = append(spoiled, names[n-1])
		}
		return nil
	})
	return spoiled, err
}

// Strangers implements presence.MirrorKeeper. mitras:version comes first: it names everybody whom the mirror was ever told of, so
// that of what stands elsewhere only those it does not name need be looked up.
func (m *Mirror) Strangers(ctx context.Context, known func(context.Context, []core.MitraID) ([]core.MitraID, error)) (presence.Removed, error) {
	s := &sweep{Mirror: m, known: known, instances: make(map[string]bool)}
	var err error
	if s.young, err = s.isYoung(ctx); err != nil {
		return s.removed, err
	}
	for _, key := range []string{m.keys.version, m.keys.online, m.keys.deactivated, m.keys.available, m.keys.waiting, m.keys.sockets} {
		if err := s.collection(ctx, key); err != nil {
			return s.removed, err
		}
	}
	err = s.strays(ctx)
	return s.removed, err
}

// sweep removes what names nobody, one page at a time, so that its memory does not grow with the mirror.
type sweep struct {
	*Mirror
	known     known
	instances map[string]bool // those that were looked up: whether they run
	young     bool            // the mirror was just seeded: instances that run may not have said so yet
	removed   presence.Removed
}

// call is a call that is tried again when Valkey does not answer: among thousands one may well time out.
func (s *sweep) call(ctx context.Context, what string, do func(ctx context.Context, conn driver.Client) error) error {
	for try := 1; ; try++ {
		err := s.link.Call(ctx, what, do)
		if err == nil || link.Answered(err) || try == sweepTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sweepPause):
		}
	}
}

// collection looks through one of the keys that hold ids as members.
func (s *sweep) collection(ctx context.Context, key string) error {
	for cursor, done := uint64(0), false; !done; done = cursor == 0 {
		var page []member
		var err error
		if page, cursor, err = s.scan(ctx, key, cursor); err != nil {
			return err
		}
		unwanted, err := s.unknown(ctx, page, key == s.keys.version)
		if err != nil {
			return err
		}
		if err := s.remove(ctx, key, unwanted); err != nil {
			return err
		}
		if key == s.keys.sockets && !s.young {
			if err := s.lost(ctx, page); err != nil {
				return err
			}
		}
	}
	return nil
}

// member is what stands in a collection under an id, or under something that is none.
type member struct{ text, value string }

// scan reads a part of one of the collections.
func (s *sweep) scan(ctx context.Context, key string, cursor uint64) (page []member, next uint64, err error) {
	err = s.call(ctx, "scan", func(ctx context.Context, conn driver.Client) error {
		command, pairs := conn.B().Sscan().Key(key).Cursor(cursor).Count(scanCount).Build(), false
		switch key {
		case s.keys.available, s.keys.waiting:
			command, pairs = conn.B().Zscan().Key(key).Cursor(cursor).Count(scanCount).Build(), true
		case s.keys.sockets, s.keys.version:
			command, pairs = conn.B().Hscan().Key(key).Cursor(cursor).Count(scanCount).Build(), true
		}
		entry, err := conn.Do(ctx, command).AsScanEntry()
		if err != nil {
			return err
		}
		next = entry.Cursor
		if !pairs {
			for _, text := range entry.Elements {
				page = append(page, member{text: text})
			}
			return nil
		}
		for pair := range slices.Chunk(entry.Elements, 2) {
			page = append(page, member{text: pair[0], value: pair[len(pair)-1]})
		}
		return nil
	})
	return page, next, err
}

// unknown picks the members that are no ids, and those whom Postgres does not know. Whom mitras:version names, it knows, unless
// that is just being looked through itself.
func (s *sweep) unknown(ctx context.Context, page []member, versions bool) (unwanted []string, err error) {
	var ids []core.MitraID
	for _, m := range page {
		id, err := core.ParseID[core.MitraID](m.text)
		if err != nil || id.String() != m.text { // one id has one form
			unwanted = append(unwanted, m.text)
			continue
		}
		ids = append(ids, id)
	}
	if !versions {
		if ids, err = s.unversioned(ctx, ids); err != nil {
			return nil, err
		}
	}
	if len(ids) == 0 {
		return unwanted, nil
	}
	there, err := s.known(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[core.MitraID]bool, len(there))
	for _, id := range there {
		found[id] = true
	}
	for _, id := range ids {
		if !found[id] {
			unwanted = append(unwanted, id.String())
		}
	}
	return unwanted, nil
}

// unversioned leaves those whom mitras:version does not name.
func (s *sweep) unversioned(ctx context.Context, ids []core.MitraID) (rest []core.MitraID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.call(ctx, "look up versions", func(ctx context.Context, conn driver.Client) error {
		versions, err := conn.Do(ctx, conn.B().Hmget().Key(s.keys.version).Field(texts(ids)...).Build()).ToArray()
		if err != nil {
			return err
		}
		if len(versions) != len(ids) {
			return link.ErrShape
		}
		for i, version := range versions {
			if version.IsNil() {
				rest = append(rest, ids[i])
			}
		}
		return nil
	})
	return rest, err
}

func (s *sweep) remove(ctx context.Context, key string, members []string) error {
	if len(members) == 0 {
		return nil
	}
	return s.call(ctx, "remove strangers", func(ctx context.Context, conn driver.Client) error {
		var command driver.Completed
		switch key {
		case s.keys.available, s.keys.waiting:
			command = conn.B().Zrem().Key(key).Member(members...).Build()
		case s.keys.sockets, s.keys.version:
			command = conn.B().Hdel().Key(key).Field(members...).Build()
		default:
			command = conn.B().Srem().Key(key).Member(members...).Build()
		}
		n, err := conn.Do(ctx, command).AsInt64()
		s.note(int(n), key, members...)
		return err
	})
}

func (s *sweep) note(n int, key string, members ...string) {
	if n == 0 {
		return
	}
	s.removed.Count += n
	for _, text := range members {
		if len(s.removed.Which) < presence.NamedAtMost {
			s.removed.Which = append(s.removed.Which, strings.TrimPrefix(key, s.keys.prefix)+" "+strconv.QuoteToASCII(text[:min(len(text), 64)]))
		}
	}
}

// isYoung tells whether the mirror's epoch was written within the time in which every instance reports itself; its id holds the time.
func (s *sweep) isYoung(ctx context.Context) (young bool, err error) {
	err = s.call(ctx, "epoch", func(ctx context.Context, conn driver.Client) error {
		text, err := conn.Do(ctx, conn.B().Get().Key(s.keys.epoch).Build()).ToString()
		if err != nil && !errors.Is(err, driver.Nil) && !link.IsWrongType(err) {
			return err
		}
		if epoch, err := core.ParseID[core.ConnID](text); err == nil {
			young = s.Now().Sub(writtenAt(epoch)).Abs() < InstanceTTL
		}
		return nil
	})
	return young, err
}

// writtenAt is when a version 7 UUID was made.
func writtenAt(id core.ConnID) time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:])))
}

// lost removes sockets of instances that run no more. An instance may fail to say that it runs: one whose mitra still beats
// is believed, unless nobody of ours wrote it.
func (s *sweep) lost(ctx context.Context, page []member) error {
	var doubtful []member
	for _, m := range page {
		epoch, owner, _ := strings.Cut(m.value, " ")
		if _, err := strconv.ParseUint(epoch, 10, 50); err != nil {
			owner = ""
		}
		runs, err := s.runs(ctx, owner)
		if err != nil {
			return err
		}
		if !runs {
			doubtful = append(doubtful, m)
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	call := link.ScriptCall{Keys: []string{s.keys.sockets, s.keys.waiting}}
	var which []string
	err := s.call(ctx, "remove lost sockets", func(ctx context.Context, conn driver.Client) error {
		call.Args, which = nil, nil
		names := make([]string, len(doubtful))
		for i, m := range doubtful {
			names[i] = s.keys.heartbeat(m.text)
		}
		beats, err := conn.Do(ctx, conn.B().Mget().Key(names...).Build()).ToArray()
		if err != nil {
			return err
		}
		if len(beats) != len(doubtful) {
			return link.ErrShape
		}
		for i, m := range doubtful {
			text, _ := beats[i].ToString() // nil: none
			age := s.Now().Sub(parseBeat(text))
			if _, owner, _ := strings.Cut(m.value, " "); age >= s.stale || !isInstance(owner) {
				call.Args = append(call.Args, m.text, m.value)
				which = append(which, m.text)
			}
		}
		if len(which) == 0 {
			return nil
		}
		n, err := socketsLostScript.Run(ctx, conn, call)[0].AsInt64()
		s.note(int(n), s.keys.sockets, which...)
		return err
	})
	return err
}

func isInstance(owner string) bool {
	_, err := core.ParseID[core.ConnID](owner)
	return err == nil
}

// runs tells whether an instance says that it runs.
func (s *sweep) runs(ctx context.Context, instance string) (bool, error) {
	if !isInstance(instance) {
		return false, nil
	}
	if runs, looked := s.instances[instance]; looked || instance == s.owner {
		return runs || instance == s.owner, nil
	}
	err := s.call(ctx, "look for an instance", func(ctx context.Context, conn driver.Client) error {
		n, err := conn.Do(ctx, conn.B().Exists().Key(s.keys.instance(instance)).Build()).AsInt64()
		s.instances[instance] = n == 1
		return err
	})
	return s.instances[instance], err
}

// strays removes mitra:capacity:<id> and mitra:heartbeat:<id> of nobody.
func (s *sweep) strays(ctx context.Context) error {
	escape := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
	pattern := escape.Replace(s.keys.prefix+"mitra:") + "*"
	for cursor, done := "0", false; !done; done = cursor == "0" {
		var names []string
		err := s.call(ctx, "scan keys", func(ctx context.Context, conn driver.Client) error {
			step, err := scanScript.Run(ctx, conn, link.ScriptCall{
				Keys: []string{s.keys.epoch}, Args: []string{cursor, pattern, strconv.Itoa(scanCount)},
			})[0].ToArray()
			if err != nil {
				return err
			}
			if len(step) != 2 {
				return link.ErrShape
			}
			if cursor, err = step[0].ToString(); err != nil {
				return err
			}
			names, err = step[1].AsStrSlice()
			return err
		})
		if err != nil {
			return err
		}
		if err := s.strayPage(ctx, names); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) strayPage(ctx context.Context, names []string) error {
	var page []member // of an id, the key
	for _, name := range names {
		for _, of := range []func(string) string{s.keys.capacity, s.keys.heartbeat} {
			if text, is := strings.CutPrefix(name, of("")); is {
				page = append(page, member{text: text, value: name})
			}
		}
	}
	unwanted, err := s.unknown(ctx, page, false)
	if err != nil || len(unwanted) == 0 {
		return err
	}
	var doomed []string
	for _, m := range page {
		if slices.Contains(unwanted, m.text) {
			doomed = append(doomed, m.value)
		}
	}
	return s.call(ctx, "remove stray keys", func(ctx context.Context, conn driver.Client) error {
		n, err := conn.Do(ctx, conn.B().Del().Key(doomed...).Build()).AsInt64()
		s.note(int(n), "", doomed...)
		return err
	})
}

func texts(ids []core.MitraID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}
