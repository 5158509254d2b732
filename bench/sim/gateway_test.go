package sim_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/halobestie/bestie-gateway/protocol"
)

// fault is what a gateway does wrong.
type fault string

const (
	faultTwoWinners  fault = "every accept wins"
	faultCapacity    fault = "capacity is not looked at"
	faultOffline     fault = "offers go to whoever is offline"
	faultVersion     fault = "the end of a session has version 1"
	faultSilent      fault = "some requests are not answered"
	faultClosed      fault = "sockets are closed as idle"
	faultCut         fault = "connections are cut"
	faultOrder       fault = "answers come in another order"
	faultTimeout     fault = "mitras are taken offline as if they did not beat"
	faultLive        fault = "state shows sessions that are over"
	faultMirror      fault = "the mirror is not what the rows say"
	faultMoney       fault = "mitras are shown prices"
	faultNoTestRoute fault = "no test routes"
	faultNoPackage   fault = "nothing is free"
	rolling          fault = "it drains" // no fault: sockets come back
)

// gateway is the smallest gateway that the simulator can play with: one process, one lock, no stores.
type gateway struct {
	fault fault

	mu       sync.Mutex
	users    map[string]*user // by token
	sessions map[protocol.UUID]*session
	offers   map[protocol.UUID]*offer
	ids      int
	requests int
	rolled   bool
}

// user is a mitra or a customer; conn is nil while its socket is down.
type user struct {
	id       protocol.UUID
	role     protocol.Role
	mode     protocol.Mode
	conn     net.Conn
	watching bool
	held     []byte // an answer that is kept back, to come out of order
}

type session struct {
	id              protocol.UUID
	version         int64
	status          protocol.SessionStatus
	customer, mitra *user
}

type offer struct {
	id      protocol.UUID
	session *session
	mitra   *user
}

// start serves a gateway for the length of a test.
func start(t *testing.T, f fault) (url string) {
	t.Helper()
	g := &gateway{
		fault: f, users: make(map[string]*user),
		sessions: make(map[protocol.UUID]*session), offers: make(map[protocol.UUID]*offer),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /internal/_test/seed-mitra", g.seedMitra)
	mux.HandleFunc("GET /internal/_test/audit", g.audit)
	mux.HandleFunc("POST /api/shared/auth/anonymous", g.anonymous)
	mux.HandleFunc("GET /api/client/packages", g.packages)
	var serving sync.WaitGroup
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		g.serve(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		g.mu.Lock()
		for _, u := range g.users {
			if u.conn != nil {
				u.conn.Close()
			}
		}
		g.mu.Unlock()
		server.Close()
		serving.Wait()
	})
	return server.URL
}

func (g *gateway) newID() protocol.UUID {
	g.ids++
	return protocol.UUID{0: 1, 12: byte(g.ids >> 16), 13: byte(g.ids >> 8), 14: byte(g.ids), 15: byte(g.ids)}
}

func (g *gateway) newUser(role protocol.Role) (*user, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := &user{id: g.newID(), role: role, mode: protocol.ModeOffline}
	g.users[u.id.String()] = u
	return u, u.id.String()
}

func (g *gateway) seedMitra(w http.ResponseWriter, r *http.Request) {
	if g.fault == faultNoTestRoute {
		http.NotFound(w, r)
		return
	}
	u, token := g.newUser(protocol.RoleMitra)
	answerJSON(w, map[string]any{"mitra": map[string]any{"id": u.id}, "access_token": token, "refresh_token": "r"})
}

func (g *gateway) anonymous(w http.ResponseWriter, _ *http.Request) {
	u, token := g.newUser(protocol.RoleCustomer)
	w.WriteHeader(http.StatusCreated)
	answerJSON(w, map[string]any{"user": map[string]any{"id": u.id}, "access_token": token, "refresh_token": "r"})
}

func (g *gateway) packages(w http.ResponseWriter, _ *http.Request) {
	items := []map[string]any{{"id": protocol.UUID{9}, "name": "Paid", "duration_minutes": 60, "price": 50000}}
	if g.fault != faultNoPackage {
		items = append(items, map[string]any{"id": protocol.UUID{8}, "name": "Free", "duration_minutes": 15, "price": 0})
	}
	answerJSON(w, map[string]any{"items": items})
}

func answerJSON(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

// serve is the life of one socket.
func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	upgrader := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == protocol.Subprotocol }}
	conn, _, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	g.mu.Lock()
	u := g.users[r.Header.Get("Authorization")[len("Bearer "):]]
	u.conn = conn
	g.send(u, &protocol.Welcome{
		Protocol: protocol.Subprotocol, UserID: u.id, UserType: u.role, HeartbeatSeconds: 1, MaxMessageBytes: 16384,
		ServerTime: time.Now().UnixMilli(), State: g.state(u),
	}, 0)
	g.mu.Unlock()
	for {
		msg, op, err := wsutil.ReadClientData(conn)
		if err != nil || op != ws.OpBinary {
			break
		}
		frame, err := protocol.Parse(msg)
		if err != nil {
			break
		}
		g.mu.Lock()
		g.request(u, frame)
		g.mu.Unlock()
	}
	g.mu.Lock()
	if u.conn == conn {
		u.conn, u.watching = nil, false
	}
	g.count()
	g.mu.Unlock()
}

// request does what a frame asks for. The lock is held.
func (g *gateway) request(u *user, frame protocol.Frame) {
	g.requests++
	if g.requests%50 == 0 && g.misbehave(u, frame) {
		return
	}
	spec, _ := protocol.Lookup(frame.Kind)
	m := spec.New()
	if m.Decode(frame.Body) != nil {
		return
	}
	switch m := m.(type) {
	case *protocol.Heartbeat:
		g.answer(u, &protocol.Ack{}, frame.ID)
	case *protocol.StateGet:
		g.answer(u, &protocol.Ack{State: g.state(u)}, frame.ID)
	case *protocol.PresenceSet:
		u.mode = m.Mode
		g.answer(u, &protocol.Ack{Mode: m.Mode}, frame.ID)
		g.count()
	case *protocol.AvailabilitySubscribe:
		u.watching = true
		n := g.available()
		g.answer(u, &protocol.Ack{Available: &n, At: time.Now().UnixMilli()}, frame.ID)
	case *protocol.PairingRequest:
		g.pair(u, frame.ID)
	case *protocol.PairingCancel:
		g.finish(u, m.SessionID, protocol.StatusCancelled, frame.ID)
	case *protocol.SessionEnd:
		g.finish(u, m.SessionID, protocol.StatusEnded, frame.ID)
	case *protocol.OfferAccept:
		g.accept(u, m.OfferID, frame.ID)
	case *protocol.OfferDecline:
		g.answer(u, &protocol.Ack{}, frame.ID)
	}
}

// misbehave does what concerns the connection wrong; true: the frame is not looked at.
func (g *gateway) misbehave(u *user, frame protocol.Frame) bool {
	switch g.fault {
	case faultSilent:
		return frame.ID != 0
	case faultClosed:
		g.closeSocket(u, protocol.CloseIdle)
		return true
	case faultCut:
		u.conn.Close()
		return true
	case faultTimeout:
		if u.role == protocol.RoleMitra {
			g.send(u, &protocol.PresenceUpdate{Mode: protocol.ModeOffline, Reason: protocol.PresenceHeartbeatTimeout, Version: 2, At: 1}, 0)
		}
	case rolling:
		if g.requests > 200 && !g.rolled {
			g.rolled = true
			for _, u := range g.users {
				if u.conn != nil {
					g.send(u, &protocol.Draining{ReconnectAfterMS: 50}, 0)
					g.closeSocket(u, protocol.CloseRestart)
				}
			}
			return true
		}
	}
	return false
}

func (g *gateway) closeSocket(u *user, code protocol.CloseCode) {
	body := ws.NewCloseFrameBody(ws.StatusCode(code), "")
	_ = ws.WriteFrame(u.conn, ws.NewCloseFrame(body))
	u.conn.Close()
}

func (g *gateway) send(u *user, m protocol.Message, id uint32) {
	if u.conn != nil {
		_ = wsutil.WriteServerBinary(u.conn, m.Append(nil, id))
	}
}

// answer sends an answer; one that is to come out of order waits for the next.
func (g *gateway) answer(u *user, m protocol.Message, id uint32) {
	if id == 0 {
		return
	}
	if g.fault == faultOrder && u.role == protocol.RoleMitra && u.conn != nil {
		if u.held == nil && m.Kind() == protocol.KindAck && id > 3 {
			u.held = m.Append(nil, id)
			return
		}
		defer func(held []byte) {
			if held != nil {
				_ = wsutil.WriteServerBinary(u.conn, held)
			}
		}(u.held)
		u.held = nil
	}
	g.send(u, m, id)
}
