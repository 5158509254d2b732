package sim_test

import (
	"maps"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// What the gateway of the tests does with sessions and offers. Its lock is held.

func (g *gateway) state(u *user) *protocol.State {
	var live []protocol.Session
	for _, s := range g.sessions {
		if (s.customer == u || s.mitra == u) && (!s.status.Terminal() || g.fault == faultLive) {
			live = append(live, g.view(s, u))
		}
	}
	if u.role == protocol.RoleMitra {
		return &protocol.State{Mitra: &protocol.MitraState{Mode: u.mode, Capacity: len(live), MaxCapacity: 1, Sessions: live}}
	}
	state := &protocol.CustomerState{Available: g.available()}
	if len(live) > 0 {
		state.Session = &live[0]
	}
	return &protocol.State{Customer: state}
}

func (g *gateway) view(s *session, u *user) protocol.Session {
	v := protocol.Session{SessionID: s.id, Version: s.version, Status: s.status, DurationMinutes: 15, ServerTime: time.Now().UnixMilli()}
	if s.mitra != nil && u.role == protocol.RoleCustomer {
		v.Mitra = &protocol.MitraParty{MitraID: s.mitra.id, DisplayName: "Sari"}
	}
	if price := int64(25_000); g.fault == faultMoney {
		v.Price = &price
	}
	return v
}

func (g *gateway) holds(u *user) int {
	n := 0
	for _, s := range g.sessions {
		if s.mitra == u && !s.status.Terminal() {
			n++
		}
	}
	return n
}

func (g *gateway) free(u *user) bool {
	if u.role != protocol.RoleMitra || u.conn == nil {
		return false
	}
	if g.fault == faultOffline {
		return u.mode == protocol.ModeOffline
	}
	return u.mode == protocol.ModeOnline && (g.fault == faultCapacity || g.holds(u) == 0)
}

func (g *gateway) available() int {
	n := 0
	for _, u := range g.users {
		if u.role == protocol.RoleMitra && u.conn != nil && u.mode == protocol.ModeOnline && g.holds(u) == 0 {
			n++
		}
	}
	return n
}

func (g *gateway) count() {
	n := g.available()
	for _, u := range g.users {
		if u.watching {
			g.send(u, &protocol.Availability{Available: n, At: time.Now().UnixMilli()}, 0)
		}
	}
}

// pair makes a session and offers it to up to five.
func (g *gateway) pair(u *user, id uint32) {
	s := &session{id: g.newID(), version: 1, status: protocol.StatusSearching, customer: u}
	g.sessions[s.id] = s
	v := g.view(s, u)
	g.answer(u, &protocol.Ack{Session: &v}, id)
	asked := 0
	for _, m := range g.users {
		if asked < 5 && g.free(m) {
			asked++
			o := &offer{id: g.newID(), session: s, mitra: m}
			g.offers[o.id] = o
			g.send(m, &protocol.Offer{OfferID: o.id, SessionID: s.id, DurationMinutes: 15, CustomerName: "Bestie", ExpiresAt: 1, ServerTime: 1}, 0)
		}
	}
}

func (g *gateway) accept(u *user, id protocol.UUID, request uint32) {
	o := g.offers[id]
	s := o.session
	if s.status != protocol.StatusSearching && (g.fault != faultTwoWinners || s.status != protocol.StatusActive) {
		g.answer(u, &protocol.Error{Code: protocol.CodeOfferTaken}, request)
		return
	}
	if g.holds(u) > 0 && g.fault != faultCapacity {
		g.answer(u, &protocol.Error{Code: protocol.CodeAtCapacity}, request)
		return
	}
	s.mitra, s.status = u, protocol.StatusActive
	s.version++
	g.tell(s, u, request)
	if g.fault == faultCapacity { // and more work at once
		for other := range maps.Values(g.offers) {
			if other.mitra == u && other.session.status == protocol.StatusSearching {
				g.send(u, &protocol.Offer{OfferID: other.id, SessionID: other.session.id, ExpiresAt: 1, ServerTime: 1}, 0)
			}
		}
	}
	g.count()
}

func (g *gateway) finish(u *user, id protocol.UUID, status protocol.SessionStatus, request uint32) {
	s := g.sessions[id]
	if s.status.Terminal() || status == protocol.StatusCancelled && s.status == protocol.StatusActive {
		v := g.view(s, u)
		g.answer(u, &protocol.Error{Code: protocol.CodeWrongState, Session: &v}, request)
		return
	}
	s.status = status
	s.version++
	if g.fault == faultVersion {
		s.version = 1
	}
	g.tell(s, u, request)
	g.count()
}

// tell answers the request and updates both sides.
func (g *gateway) tell(s *session, u *user, request uint32) {
	v := g.view(s, u)
	g.answer(u, &protocol.Ack{Session: &v}, request)
	for _, side := range []*user{s.customer, s.mitra} {
		if side != nil {
			g.send(side, &protocol.SessionUpdate{Session: g.view(s, side)}, 0)
		}
	}
}
