package sim_test

import (
	"net/http"
	"strconv"
	"time"

	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/protocol"
)

// audit tells what the gateway of the tests holds, as if it had stores: its mirror is always right, but for faultMirror.
func (g *gateway) audit(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now().UnixMilli()
	a := oracle.Audit{Now: now, ValkeyNow: now, Stale: 45_000, Available: g.available(), Fresh: g.available()}
	for _, u := range g.users {
		if u.role == protocol.RoleMitra {
			a.Mitras = append(a.Mitras, g.row(u, now))
		}
	}
	for _, s := range g.sessions {
		row := oracle.Session{ID: s.id, Customer: s.customer.id, Status: s.status, Version: s.version}
		if s.mitra != nil {
			row.Mitra = s.mitra.id
		}
		for _, o := range g.offers {
			if o.session == s && o.mitra == s.mitra {
				row.Offers = append(row.Offers, oracle.Offer{ID: o.id, Mitra: o.mitra.id, Status: "accepted", At: now})
			}
		}
		a.Sessions = append(a.Sessions, row)
	}
	answerJSON(w, a)
}

func (g *gateway) row(u *user, now int64) oracle.Mitra {
	m := oracle.Mitra{
		ID: u.id, Mode: u.mode, Active: true, Capacity: g.holds(u), MaxCapacity: 1, Epoch: 1, Version: 1,
		Mirror: oracle.Mirror{Online: u.mode != protocol.ModeOffline, Capacity: strconv.Itoa(g.holds(u)), Version: 1},
	}
	if g.fault == faultMirror {
		m.Mirror.Capacity = "7"
	}
	if u.conn != nil {
		m.Mirror.Epoch = 1
		if u.mode == protocol.ModeOnline && g.holds(u) == 0 {
			m.Mirror.Available, m.Mirror.Waiting = &now, &now
		}
	}
	return m
}
