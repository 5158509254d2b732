package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/protocol"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/valkey"
)

// audit answers the oracle of tests and simulations: what both stores hold, side by side. It is a test route beside those of
// gateway/rest, which knows no stores.
type audit struct {
	db     *postgres.DB
	mirror *valkey.Mirror
	stale  time.Duration
}

// auditPath takes ?since=<Unix ms>.
const auditPath = "/internal/_test/audit"

// withAudit adds the route to the internal ones.
func (p *program) withAudit(internal http.Handler) http.Handler {
	stale, grace := config.Seconds(p.cfg.StaleSeconds), config.Seconds(p.cfg.GraceSeconds)
	a := audit{p.db, p.valkey.Mirror(stale, grace), stale}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == auditPath && r.Method == http.MethodGet {
			a.serve(w, r)
			return
		}
		internal.ServeHTTP(w, r)
	})
}

func (a audit) serve(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	found, err := a.read(r.Context(), time.UnixMilli(since))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable) // whoever may ask has the stores' passwords anyhow
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found) // whoever asked is gone
}

func (a audit) read(ctx context.Context, since time.Time) (oracle.Audit, error) {
	rows, err := a.db.Audit(ctx, since)
	if err != nil {
		return oracle.Audit{}, err
	}
	ids := make([]core.MitraID, len(rows.Mitras))
	for i, m := range rows.Mitras {
		ids[i] = m.ID
	}
	mirrored, now, err := a.mirror.Reflect(ctx, ids)
	if err != nil {
		return oracle.Audit{}, err
	}
	books, err := a.db.Books(ctx)
	if err != nil {
		return oracle.Audit{}, err
	}
	counts, err := a.mirror.Counts(ctx)
	if err != nil {
		return oracle.Audit{}, err
	}
	available, err := a.mirror.Available(ctx)
	if err != nil {
		return oracle.Audit{}, err
	}
	found := oracle.Audit{
		Now: rows.Now.UnixMilli(), ValkeyNow: now.UnixMilli(), Stale: a.stale.Milliseconds(),
		Available: available.Count, Fresh: counts.Available, Waiting: counts.Waiting, Sockets: counts.Sockets,
		Sessions: auditedSessions(rows), Books: oracle.Books(books),
	}
	for i, m := range rows.Mitras {
		found.Mitras = append(found.Mitras, oracle.Mitra{
			ID: protocol.UUID(m.ID), Mode: protocol.Mode(m.Mode), Active: m.Active, Capacity: m.Capacity, MaxCapacity: m.MaxCapacity,
			Epoch: m.ConnectionEpoch, Version: m.Version, Mirror: auditedMirror(mirrored[i]),
		})
	}
	for _, c := range rows.Modes {
		found.Modes = append(found.Modes, oracle.Change{
			Mitra: protocol.UUID(c.MitraID), Mode: protocol.Mode(c.Mode), Active: c.Active,
			Reason: protocol.PresenceReason(c.Reason), At: c.At.UnixMilli(),
		})
	}
	return found, nil
}

func auditedSessions(rows postgres.Audit) []oracle.Session {
	offers := make(map[core.SessionID][]oracle.Offer)
	for _, o := range rows.Offers {
		offers[o.SessionID] = append(offers[o.SessionID], oracle.Offer{
			ID: protocol.UUID(o.ID), Mitra: protocol.UUID(o.MitraID), Status: string(o.Status), Rerouted: o.Rerouted, At: o.At.UnixMilli(),
		})
	}
	sessions := make([]oracle.Session, 0, len(rows.Sessions))
	for _, s := range rows.Sessions {
		sessions = append(sessions, oracle.Session{
			ID: protocol.UUID(s.ID), Customer: protocol.UUID(s.CustomerID), Mitra: protocol.UUID(s.MitraID),
			Status: protocol.SessionStatus(s.Status), Version: s.Version, Offers: offers[s.ID],
		})
	}
	return sessions
}

func auditedMirror(m valkey.Reflection) oracle.Mirror {
	millis := func(score *float64) *int64 {
		if score == nil {
			return nil
		}
		ms := int64(*score)
		return &ms
	}
	found := oracle.Mirror{
		Online: m.Online, Deactivated: m.Deactivated, Capacity: m.Capacity, Version: m.Version, Epoch: m.Epoch,
		Available: millis(m.Available), Waiting: millis(m.Waiting),
	}
	if !m.Heartbeat.IsZero() {
		found.Heartbeat = m.Heartbeat.UnixMilli()
	}
	return found
}
