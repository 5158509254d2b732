package oracle

import (
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// What Postgres says, held to what the clients were told. All under the record's lock.

// kept holds every acknowledgement, and the mode that each mitra was told last, to the rows.
func (o *Oracle) kept(a Audit) (broken []Breach) {
	rows := make(map[protocol.UUID]Session, len(a.Sessions))
	for _, s := range a.Sessions {
		rows[s.ID] = s
	}
	for _, p := range o.record.promises {
		row, there := rows[p.session]
		var wrong string
		switch {
		case !there:
			wrong = "does not exist"
		case row.Version < p.version:
			wrong = "is older"
		case row.Version == p.version && row.Status != p.status, p.status.Terminal() && row.Status != p.status:
			wrong = "is another"
		case p.winner && !slices.ContainsFunc(row.Offers, func(f Offer) bool { return f.Mitra == p.by && f.Status == "accepted" }):
			wrong = "was not accepted by it"
		default:
			continue
		}
		broken = append(broken, o.breach(Kept, []protocol.UUID{p.session, p.by},
			"%s of %s was acknowledged: session %s is %s, version %d; the row %s: %s, version %d",
			p.what, p.by, p.session, p.status, p.version, wrong, row.Status, row.Version))
	}
	for _, m := range a.Mitras {
		u := o.record.users[m.ID]
		if o.record.present(m.ID) && u.mode != "" && u.mode != m.Mode {
			broken = append(broken, o.breach(Kept, []protocol.UUID{m.ID}, "mitra %s was told last that it is %s, and the row says %s, version %d",
				m.ID, u.mode, m.Mode, m.Version))
		}
	}
	return broken
}

// winners counts those who hold a session.
func (o *Oracle) winners(a Audit) (broken []Breach) {
	for _, s := range a.Sessions {
		var won []protocol.UUID
		for _, f := range s.Offers {
			if f.Status == "accepted" && !f.Rerouted {
				won = append(won, f.Mitra)
			}
		}
		held := s.Status == protocol.StatusActive || s.Status == protocol.StatusPendingPayment || s.Status == protocol.StatusEnded
		if len(won) > 1 || held && (len(won) != 1 || won[0] != s.Mitra) {
			broken = append(broken, o.breach(Winner, append(won, s.ID), "session %s is %s with mitra %s, and was accepted by %v", s.ID, s.Status, s.Mitra, won))
		}
	}
	return broken
}

// room holds for everybody at every moment.
func (o *Oracle) room(a Audit) (broken []Breach) {
	for _, m := range a.Mitras {
		if m.Capacity > m.MaxCapacity {
			broken = append(broken, o.breach(Room, []protocol.UUID{m.ID}, "mitra %s holds %d sessions and may hold %d", m.ID, m.Capacity, m.MaxCapacity))
		}
	}
	return broken
}

// longestTransaction is how far apart a transaction's begin, which the rows have, and its commit may be.
const longestTransaction = 3 * time.Second

// asked finds offers that were made while the mitra was away: by transactions that began after the one that took it offline had
// committed, and that had committed before the one that brought it back began.
func (o *Oracle) asked(a Audit) (broken []Breach) {
	changes := make(map[protocol.UUID][]Change)
	for _, c := range a.Modes {
		changes[c.Mitra] = append(changes[c.Mitra], c)
	}
	for _, s := range a.Sessions {
		for _, f := range s.Offers {
			var last Change // before the offer
			back := false   // at about the time of the offer
			for _, c := range changes[f.Mitra] {
				if c.At <= f.At {
					last = c
				} else if c.present() && c.At-f.At <= longestTransaction.Milliseconds() {
					back = true
				}
			}
			away := last.Mode != "" && !last.present()
			if away && !back && f.At-last.At > longestTransaction.Milliseconds() {
				broken = append(broken, o.breach(Asked, []protocol.UUID{f.Mitra, s.ID}, "offer %s of session %s was made to mitra %s %d ms after it was %s (active %t), by %s",
					f.ID, s.ID, f.Mitra, f.At-last.At, last.Mode, last.Active, last.Reason))
			}
		}
	}
	return broken
}

// beatSlack is for the way of a heartbeat into the stores.
const beatSlack = 2 * time.Second

// beating finds mitras who were taken offline though the gateway had answered them lately. ahead is Postgres's clock less ours.
func (o *Oracle) beating(a Audit, ahead time.Duration) (broken []Breach) {
	stale := time.Duration(a.Stale) * time.Millisecond
	for _, c := range a.Modes {
		u := o.record.users[c.Mitra]
		if u == nil || c.Reason != protocol.PresenceHeartbeatTimeout {
			continue
		}
		at := time.UnixMilli(c.At).Add(-ahead)
		for _, beat := range slices.Backward(u.beats) {
			if beat.answered.After(at) {
				continue // it may have lain unread until then
			}
			if silent := at.Sub(beat.sent); silent < stale-beatSlack {
				broken = append(broken, o.breach(Beating, []protocol.UUID{c.Mitra}, "mitra %s was taken offline at %s, %v after a request that was answered",
					c.Mitra, at.UTC().Format("15:04:05.000"), silent.Round(time.Millisecond)))
			}
			break
		}
	}
	return broken
}

// told holds what every open socket was shown last to the rows.
func (o *Oracle) told(a Audit) (broken []Breach) {
	rows := make(map[protocol.UUID]Session, len(a.Sessions))
	live := make(map[protocol.UUID]Session) // by each of its sides
	for _, s := range a.Sessions {
		rows[s.ID] = s
		if s.live() {
			live[s.Customer] = s
			live[s.Mitra] = s
		}
	}
	for id, u := range o.record.users {
		for _, socket := range u.sockets {
			if !socket.stated {
				continue
			}
			for session, seen := range socket.told {
				row, there := rows[session]
				lost := u.role == protocol.RoleMitra && row.Mitra != id // it went on to another mitra
				if there && !lost && (row.Version != seen.version || row.Status != seen.status) {
					broken = append(broken, o.breach(Told, []protocol.UUID{session, id}, "%s %s was told last that session %s is %s, version %d; it is %s, version %d",
						u.role, id, session, seen.status, seen.version, row.Status, row.Version))
				}
			}
			if row, has := live[id]; has {
				if _, knows := socket.told[row.ID]; !knows {
					broken = append(broken, o.breach(Told, []protocol.UUID{row.ID, id}, "%s %s does not know of its session %s, which is %s, version %d",
						u.role, id, row.ID, row.Status, row.Version))
				}
			}
		}
	}
	return broken
}
