package main

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

// buildHTTP makes the two routers. They share no route: what is internal is 404 on the public port.
func (p *program) buildHTTP() {
	cfg := rest.Config{
		PerIPPerMinute: p.cfg.RESTPerIPMinute,
		TestRoutes:     p.cfg.TestRoutes,
		TrustedProxies: p.cfg.Proxies(),
	}
	deps := rest.Deps{
		Tokens: p.auth, SignIn: p.auth, TestAccounts: p.auth, Catalogue: p.chat,
		Readiness: readiness{p}, Metrics: p.metrics(),
	}
	p.public = rest.Public(cfg, deps, core.SystemClock, p.log)
	p.internal = rest.Internal(cfg, deps, core.SystemClock, p.log)
}

// readiness judges whether the instance should get traffic. Stores that are out make it degraded and not unready: they
// are out for all instances, and an instance without them still holds its sockets.
type readiness struct{ *program }

// pingPatience bounds how long readiness waits for Postgres.
const pingPatience = 300 * time.Millisecond

// Ready implements rest.Readiness.
func (r readiness) Ready(ctx context.Context) rest.Ready {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	parts := []rest.Part{
		{Name: "draining", OK: !r.gateway.Draining()},
		{Name: "postgres", OK: r.db.Ping(ctx) == nil},
		{Name: "valkey", OK: r.valkey.Up()},
		{Name: "bus", OK: r.valkey.Bus().Live()},
		{Name: "mirror", OK: r.presence.Degraded() == "", Detail: r.presence.Degraded()},
	}
	for i, detail := range map[int]string{
		0: "this instance is going away",
		1: "does not answer: requests that need it are refused, sockets stay",
		2: "does not answer: answering from Postgres",
		3: "not subscribed: events come from the outbox, half a second later",
	} {
		if !parts[i].OK {
			parts[i].Detail = detail
		}
	}
	return rest.Ready{OK: parts[0].OK, Parts: parts}
}
