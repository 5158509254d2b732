package console

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

func (c *console) mitraRoutes() []rest.Route {
	const mitras = "/internal/mitras"
	return []rest.Route{
		rest.On("GET", mitras, rest.Operators, "Mitras: newest first, or by name or phone when searched", c.mitras),
		rest.On("POST", mitras, rest.Operators, "Make a mitra who can sign in by its phone", c.addMitra, core.Conflict).Creates(),
		rest.On("GET", mitras+"/:id", rest.Operators, "One mitra", c.mitra, core.NotFound),
		rest.On("PATCH", mitras+"/:id", rest.Operators, "Rename a mitra, or change how many sessions it may hold", c.changeMitra, core.NotFound),
		rest.On("PATCH", mitras+"/:id/status", rest.Operators,
			"Activate or deactivate a mitra; a deactivation ends its sessions and its sign-ins and closes its sockets", c.setMitraStatus, core.NotFound),
		rest.On("POST", mitras+"/:id/offline", rest.Operators, "Set a mitra's mode offline; its sessions go on", c.takeOffline, core.NotFound),
		rest.On("DELETE", mitras+"/:id/sessions", rest.Operators, "Sign a mitra out everywhere", c.signOutMitra, core.NotFound),
		rest.On("GET", mitras+"/:id/logs", rest.Operators, "When a mitra's mode changed and why, last first", c.statusLog, core.NotFound),
	}
}

// mitra is a mitra as operators see it.
type mitra struct {
	ID              core.MitraID `json:"id"`
	Phone           string       `json:"phone"`
	DisplayName     string       `json:"display_name"`
	Active          bool         `json:"is_active"`
	Online          bool         `json:"is_online"`
	Mode            string       `json:"mode" enum:"online,finishing,offline"`
	Capacity        int          `json:"capacity" doc:"sessions that it holds now"`
	MaxCapacity     int          `json:"max_capacity" doc:"how many it may"`
	OwnMaxCapacity  int          `json:"own_max_capacity,omitzero" doc:"unless mitra_max_capacity of the configuration holds for it"`
	LastHeartbeatAt int64        `json:"last_heartbeat_at,omitzero" doc:"up to a minute behind"`
	AvailableSince  int64        `json:"available_since,omitzero"`
	Test            bool         `json:"is_test"`
	Version         int64        `json:"version"`
	CreatedAt       int64        `json:"created_at"`
}

func mitraOf(m admin.Mitra) mitra {
	return mitra{
		ID: m.ID, Phone: m.Phone, DisplayName: m.DisplayName, Active: m.Active, Online: m.Mode != "offline", Mode: m.Mode,
		Capacity: m.Capacity, MaxCapacity: m.MaxCapacity, OwnMaxCapacity: m.OwnMaxCapacity,
		LastHeartbeatAt: millis(m.LastHeartbeatAt), AvailableSince: millis(m.AvailableSince), Test: m.Test,
		Version: m.Version, CreatedAt: millis(m.CreatedAt),
	}
}

type mitraFilter struct {
	paging
	Mode   string `query:"mode" enum:"online,finishing,offline"`
	Active *bool  `query:"is_active"`
	Search string `query:"search" max:"100" doc:"how the name begins, or the phone"`
}

func (c *console) mitras(ctx context.Context, _ *rest.Call, in mitraFilter) (list[mitra], error) {
	page, err := c.admin.Mitras(ctx, admin.MitraFilter{Mode: in.Mode, Active: in.Active, Search: admin.SearchFor(in.Search)}, in.page())
	return listOf(page, mitraOf), err
}

type newMitra struct {
	Phone       string `json:"phone"`
	DisplayName string `json:"display_name" min:"1" max:"100"`
	MaxCapacity *int   `json:"max_capacity" min:"1" max:"10" doc:"mitra_max_capacity of the configuration unless given"`
}

func (c *console) addMitra(ctx context.Context, call *rest.Call, in newMitra) (mitra, error) {
	m := admin.NewMitra{Phone: in.Phone, DisplayName: in.DisplayName}
	if in.MaxCapacity != nil {
		m.MaxCapacity = *in.MaxCapacity
	}
	made, err := c.admin.AddMitra(ctx, call.Who, m)
	return mitraOf(made), err
}

type mitraID struct {
	ID core.MitraID `path:"id"`
}

func (c *console) mitra(ctx context.Context, _ *rest.Call, in mitraID) (mitra, error) {
	m, err := c.admin.Mitra(ctx, in.ID)
	return mitraOf(m), err
}

type mitraChange struct {
	mitraID
	DisplayName *string            `json:"display_name" min:"1" max:"100"`
	MaxCapacity rest.Nullable[int] `json:"max_capacity" min:"1" max:"10" doc:"null: mitra_max_capacity of the configuration"`
}

func (c *console) changeMitra(ctx context.Context, call *rest.Call, in mitraChange) (mitra, error) {
	change := admin.MitraChange{DisplayName: in.DisplayName, MaxCapacity: in.MaxCapacity.Value}
	if in.MaxCapacity.Set && in.MaxCapacity.Value == nil {
		change.MaxCapacity = new(int)
	}
	m, err := c.admin.ChangeMitra(ctx, call.Who, in.ID, change)
	return mitraOf(m), err
}

type mitraStatus struct {
	mitraID
	Active bool `json:"is_active"`
}

// mitraStatusAnswer is the mitra with what ended by its deactivation.
type mitraStatusAnswer struct {
	mitra
	EndedSessions []core.SessionID `json:"ended_sessions"`
}

func (c *console) setMitraStatus(ctx context.Context, call *rest.Call, in mitraStatus) (mitraStatusAnswer, error) {
	done, err := c.admin.SetMitraActive(ctx, call.Who, in.ID, in.Active)
	return mitraStatusAnswer{mitra: mitraOf(done.Mitra), EndedSessions: append([]core.SessionID{}, done.Ended...)}, err
}

func (c *console) takeOffline(ctx context.Context, call *rest.Call, in mitraID) (mitra, error) {
	m, err := c.admin.TakeOffline(ctx, call.Who, in.ID)
	return mitraOf(m), err
}

func (c *console) signOutMitra(ctx context.Context, call *rest.Call, in mitraID) (signedOut, error) {
	n, err := c.admin.SignOut(ctx, call.Who, core.Mitra, core.UserID(in.ID))
	return signedOut{n}, err
}

// statusEntry is a line of a mitra's status log.
type statusEntry struct {
	ID     int64  `json:"id"`
	Mode   string `json:"mode" enum:"online,finishing,offline"`
	Active bool   `json:"is_active"`
	Reason string `json:"reason"`
	At     int64  `json:"at"`
}

type mitraPage struct {
	mitraID
	paging
}

func (c *console) statusLog(ctx context.Context, _ *rest.Call, in mitraPage) (list[statusEntry], error) {
	page, err := c.admin.StatusLog(ctx, in.ID, in.page())
	return listOf(page, func(e admin.StatusEntry) statusEntry {
		return statusEntry{ID: e.ID, Mode: e.Mode, Active: e.Active, Reason: e.Reason, At: millis(e.At)}
	}), err
}
