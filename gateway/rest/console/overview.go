package console

import (
	"context"
	"encoding/json"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

func (c *console) overviewRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET", "/internal/dashboard", rest.Operators, "What goes on, at most a second ago", c.dashboard),
		rest.On("GET", "/internal/instances", rest.Operators, "The gateways that run", c.instances),
		rest.On("GET", "/internal/audit-logs", rest.Operators, "What operators changed, last first", c.auditLog),
	}
}

type dashboard struct {
	Online         int   `json:"online" doc:"mitras whose mode is not offline"`
	Available      int   `json:"available" doc:"mitras who can take a session now"`
	Busy           int   `json:"busy" doc:"mitras who hold a session"`
	Searching      int   `json:"searching" doc:"sessions"`
	PendingPayment int   `json:"pending_payment" doc:"sessions"`
	Active         int   `json:"active_sessions"`
	Sockets        int   `json:"sockets" doc:"on all instances, as each told last: up to 5 seconds behind"`
	Instances      int   `json:"instances"`
	PaidToday      int   `json:"paid_sessions_today"`
	RevenueToday   int64 `json:"revenue_today" doc:"rupiah, extensions included, refunds not"`
	DayBegan       int64 `json:"day_began_at" doc:"midnight in Jakarta"`
	Degraded       bool  `json:"is_degraded" doc:"Valkey is out: sockets are not known, counts may lag"`
	At             int64 `json:"at"`
}

func (c *console) dashboard(ctx context.Context, _ *rest.Call, _ rest.None) (dashboard, error) {
	d, err := c.admin.Dashboard(ctx)
	return dashboard{
		Online: d.Online, Available: d.Available, Busy: d.Busy, Searching: d.Searching, PendingPayment: d.PendingPayment,
		Active: d.Active, Sockets: d.Sockets, Instances: d.Instances, PaidToday: d.PaidToday, RevenueToday: d.RevenueToday,
		DayBegan: millis(d.DayBegan), Degraded: d.Degraded, At: millis(d.At),
	}, err
}

type instance struct {
	ID        string `json:"id"`
	Address   string `json:"address"`
	Version   string `json:"version"`
	Mitras    int    `json:"mitra_sockets"`
	Customers int    `json:"customer_sockets"`
	Since     int64  `json:"since"`
}

func (c *console) instances(ctx context.Context, _ *rest.Call, _ rest.None) (list[instance], error) {
	running, err := c.admin.Instances(ctx)
	return listOf(admin.List[admin.Instance]{Items: running}, func(i admin.Instance) instance {
		return instance{ID: i.ID, Address: i.Address, Version: i.Version, Mitras: i.Mitras, Customers: i.Customers, Since: millis(i.Since)}
	}), err
}

type auditEntry struct {
	ID            int64           `json:"id"`
	OperatorID    core.OperatorID `json:"operator_id,omitzero"`
	OperatorEmail string          `json:"operator_email,omitzero"`
	Action        string          `json:"action"`
	SubjectType   string          `json:"subject_type"`
	SubjectID     core.UserID     `json:"subject_id,omitzero"`
	Before        json.RawMessage `json:"before" doc:"null: there was nothing"`
	After         json.RawMessage `json:"after"`
	At            int64           `json:"at"`
}

type auditFilter struct {
	paging
	Operator core.OperatorID `query:"operator_id"`
	Subject  core.UserID     `query:"subject_id"`
}

func (c *console) auditLog(ctx context.Context, _ *rest.Call, in auditFilter) (list[auditEntry], error) {
	page, err := c.admin.AuditLog(ctx, admin.AuditFilter{Operator: in.Operator, Subject: in.Subject}, in.page())
	return listOf(page, func(e admin.AuditEntry) auditEntry {
		return auditEntry{
			ID: e.ID, OperatorID: e.OperatorID, OperatorEmail: e.OperatorEmail, Action: e.Action, SubjectType: e.SubjectType,
			SubjectID: e.SubjectID, Before: e.Before, After: e.After, At: millis(e.At),
		}
	}), err
}
