package oracle

import (
	"strconv"

	"github.com/halobestie/bestie-gateway/protocol"
)

// What Valkey says, held to Postgres and to the open sockets. All under the record's lock.

// mirrored holds what is copied from a mitra's row to the row. One who was just made and never seen need not be there yet.
func (o *Oracle) mirrored(a Audit) (broken []Breach) {
	for _, m := range a.Mitras {
		is := m.Mirror
		if is.Version == 0 && o.record.users[m.ID] == nil {
			continue
		}
		if is.Online == (m.Mode != protocol.ModeOffline) && is.Deactivated == !m.Active &&
			is.Capacity == strconv.Itoa(m.Capacity) && is.Version == m.Version {
			continue
		}
		broken = append(broken, o.breach(Mirrored, []protocol.UUID{m.ID}, "mitra %s is %s (active %t), holds %d sessions, version %d; the mirror: %s",
			m.ID, m.Mode, m.Active, m.Capacity, m.Version, is))
	}
	return broken
}

// present holds mitras:sockets to the sockets that are open.
func (o *Oracle) present(a Audit) (broken []Breach) {
	for _, m := range a.Mitras {
		if !o.ours(m.ID) {
			continue
		}
		want := int64(0)
		if o.record.present(m.ID) {
			want = m.Epoch
		}
		if m.Mirror.Epoch != want {
			broken = append(broken, o.breach(Present, []protocol.UUID{m.ID}, "mitra %s has connection epoch %d (open here: %t), and the mirror has socket %d",
				m.ID, m.Epoch, want != 0, m.Mirror.Epoch))
		}
	}
	return broken
}

// ours tells whether the run answers for a mitra.
func (o *Oracle) ours(id protocol.UUID) bool {
	_, known := o.record.users[id]
	return known || o.Alone
}

// counted holds the count and the candidates to the open sockets of mitras who can take a session by their rows.
func (o *Oracle) counted(a Audit) (broken []Breach) {
	count := 0
	for _, m := range a.Mitras {
		is := a.fresh(m)
		if is {
			count++
		}
		if !o.ours(m.ID) {
			continue
		}
		want := o.record.present(m.ID) && m.takes()
		if is != want || (m.Mirror.Waiting != nil) != want {
			broken = append(broken, o.breach(Counted, []protocol.UUID{m.ID},
				"mitra %s should be available: %t (%s, active %t, %d of %d sessions, socket open: %t); the mirror at %d: %s",
				m.ID, want, m.Mode, m.Active, m.Capacity, m.MaxCapacity, o.record.present(m.ID), a.ValkeyNow, m.Mirror))
		}
	}
	if a.Fresh != count || a.Available != count {
		broken = append(broken, o.breach(Counted, nil, "%d mitras are available by their keys, %d by their index, and %d are told", count, a.Fresh, a.Available))
	}
	return append(broken, o.shown(count)...)
}

// shown holds the last count that each customer saw to the count.
func (o *Oracle) shown(count int) (broken []Breach) {
	for id, u := range o.record.users {
		for _, socket := range u.sockets {
			if socket.counted && socket.count != count {
				broken = append(broken, o.breach(Shown, []protocol.UUID{id}, "customer %s saw %d available mitras last, and there are %d", id, socket.count, count))
			}
		}
	}
	return broken
}
