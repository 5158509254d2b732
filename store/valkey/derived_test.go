package valkey_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// differences compares all that stands in a mirror with what follows from Postgres and from the sockets that the instances hold, whose
// mitras all beat within the grace. It tells each difference as a person would; none: the mirror is right.
func differences(raw driver.Client, prefix string, mitras []presence.Mitra, sockets map[core.MitraID]int64) (all []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	l := look{ctx: ctx, raw: raw, prefix: prefix}
	want := map[string]map[string]string{
		"mitras:online": {}, "mitras:deactivated": {}, "mitras:available": {}, "mitras:waiting": {}, "mitras:sockets": {}, "mitras:version": {},
	}
	for _, m := range mitras {
		id := m.ID.String()
		want["mitras:version"][id] = strconv.FormatInt(m.Version, 10)
		if m.IsOnline() {
			want["mitras:online"][id] = ""
		}
		if !m.Active {
			want["mitras:deactivated"][id] = ""
		}
		epoch, connected := sockets[m.ID]
		if connected {
			want["mitras:sockets"][id] = strconv.FormatInt(epoch, 10)
		}
		if m.Takes() {
			want["mitras:available"][id] = ""
			if connected {
				want["mitras:waiting"][id] = strconv.FormatInt(m.AvailableSince.UnixMilli(), 10)
			}
		}
		if capacity := l.text("GET", "mitra:capacity:"+id); capacity != strconv.Itoa(m.Capacity) {
			all = append(all, fmt.Sprintf("mitra:capacity:%s is %q, not %d", id, capacity, m.Capacity))
		}
		if beat := l.text("GET", "mitra:heartbeat:"+id); beat != "" || connected {
			if _, err := time.Parse("2006-01-02T15:04:05.000Z", beat); err != nil {
				all = append(all, fmt.Sprintf("mitra:heartbeat:%s is %q", id, beat))
			}
		}
	}
	for key, expected := range want {
		all = append(all, compare(key, expected, l.members(key))...)
	}
	return append(all, l.errs...)
}

func compare(key string, want, got map[string]string) (all []string) {
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[id]; !ok || value != want[id] {
			all = append(all, fmt.Sprintf("%s of %s is %q (%t), not %q", key, id, value, ok, want[id]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[id]; !ok {
			all = append(all, fmt.Sprintf("%s has %q", key, id))
		}
	}
	return all
}

// look reads keys and gathers what could not be read.
type look struct {
	ctx    context.Context
	raw    driver.Client
	prefix string
	errs   []string
}

func (l *look) do(command, key string, args ...string) driver.ValkeyResult {
	return l.raw.Do(l.ctx, l.raw.B().Arbitrary(command).Keys(l.prefix+key).Args(args...).Build())
}

func (l *look) text(command, key string) string {
	text, err := l.do(command, key).ToString()
	if err != nil && !driver.IsValkeyNil(err) {
		l.errs = append(l.errs, key+": "+err.Error())
	}
	return text
}

// members are a collection's, with their values: of a socket its epoch, of mitras:available none, since heartbeats are what they are.
func (l *look) members(key string) map[string]string {
	all := map[string]string{}
	note := func(err error) {
		if err != nil {
			l.errs = append(l.errs, key+": "+err.Error())
		}
	}
	switch key {
	case "mitras:online", "mitras:deactivated":
		ids, err := l.do("SMEMBERS", key).AsStrSlice()
		note(err)
		for _, id := range ids {
			all[id] = ""
		}
	case "mitras:available", "mitras:waiting":
		scores, err := l.do("ZRANGE", key, "0", "-1", "WITHSCORES").AsZScores()
		note(err)
		for _, s := range scores {
			all[s.Member] = ""
			if key == "mitras:waiting" {
				all[s.Member] = strconv.FormatFloat(s.Score, 'f', -1, 64)
			} else if time.UnixMilli(int64(s.Score)).After(time.Now().Add(10 * time.Second)) {
				all[s.Member] = "in the future"
			}
		}
	default:
		values, err := l.do("HGETALL", key).AsStrMap()
		note(err)
		for id, value := range values {
			all[id], _, _ = strings.Cut(value, " ")
		}
	}
	return all
}

// keysOf lists the keys of single mitras.
func keysOf(ctx context.Context, raw driver.Client, prefix string) (names []string, err error) {
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		page, err := raw.Do(ctx, raw.B().Scan().Cursor(cursor).Match(prefix+"mitra:*").Count(1000).Build()).AsScanEntry()
		if err != nil {
			return nil, err
		}
		names = append(names, page.Elements...)
		cursor = page.Cursor
	}
	return names, nil
}
