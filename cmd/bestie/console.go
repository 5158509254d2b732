package main

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/gateway/rest/console"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/valkey"
)

// newAdmin makes the control center's room.
func newAdmin(db *postgres.DB, passwords *auth.Service, mitras *presence.Service, mirror *valkey.Client, clock core.Clock) *admin.Service {
	return admin.NewService(db.Admin().Stores(), admin.Deps{
		Passwords: passwords, Presence: counts{mitras}, Fleet: fleet{mirror},
		Phone: auth.NormalizePhone, Email: auth.NormalizeEmail, Clock: clock,
	})
}

// description is the OpenAPI document of all routes.
func description() *openapi.Document { return rest.Describe(buildVersion(), console.Routes(nil)...) }

// counts shows the dashboard what the mirror has counted.
type counts struct{ presence *presence.Service }

// Counts implements admin.Presence.
func (c counts) Counts(ctx context.Context) (online, available int, err error) {
	now, err := c.presence.Counts(ctx)
	return now.Online, now.Available, err
}

// fleet shows operators which instances run.
type fleet struct{ mirror *valkey.Client }

// Instances implements admin.Fleet.
func (f fleet) Instances(ctx context.Context) ([]admin.Instance, error) {
	running, err := f.mirror.Instances(ctx)
	if err != nil {
		return nil, core.Wrap(core.Unavailable, err)
	}
	instances := make([]admin.Instance, len(running))
	for i, r := range running {
		instances[i] = admin.Instance(r)
	}
	return instances, nil
}
