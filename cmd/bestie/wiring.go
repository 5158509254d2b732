package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/cmd/bestie/telemetry"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/gateway/rest/console"
	"github.com/halobestie/bestie-gateway/gateway/socket"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/valkey"
)

// newProgram builds an instance from the ground up and starts nothing. The stores need not answer yet; an error is a setting
// that cannot be used. The machine's clock is its own; none of the instances need agree with another's. A program that is not Run must be
// closed.
func newProgram(ctx context.Context, cfg config.Serve, m machine, log *slog.Logger) (*program, error) {
	clock := m.clock
	p := &program{cfg: cfg, log: log, alone: m.alone, started: make(chan struct{})}

	// The stores.
	var err error
	p.db, err = postgres.Open(ctx, string(cfg.DatabaseURL), postgres.Options{MaxConns: cfg.DatabaseMaxConns, Clock: clock, Log: log})
	if err != nil {
		return nil, err
	}
	if p.valkey, err = valkey.Open(string(cfg.ValkeyURL), cfg.ValkeyPrefix, clock, log); err != nil {
		p.db.Close()
		return nil, err
	}
	shared := core.Clock(p.valkey.Now)

	// The rooms.
	vendors, done, err := newSignInVendors(cfg.Codes, cfg.Identities, clock, log)
	if err != nil {
		p.close()
		return nil, err
	}
	p.hangUps = append(p.hangUps, done)
	if p.auth, err = newAuth(authConfig(cfg.Tokens, m.loops), vendors, cfg.TestRoutes, p.db, clock, log); err != nil {
		p.close()
		return nil, err
	}
	p.presence = newPresence(cfg.Presence, p.db, p.valkey, shared, log)
	p.gateway = gateway.New(gatewayConfig(cfg.Sockets, cfg.Tokens, m.loops), p.auth, p.db.Now, log)
	search := p.db.Pairing()
	p.pairing = pairing.NewService(search, search, search, p.presence, p.gateway, p.db.Settings().Current, log)
	talk := p.db.Chat()
	p.chat = chat.NewService(talk, talk, p.pairing, log)
	sender, done, err := newPushSender(cfg.Push, log)
	if err != nil {
		p.close()
		return nil, err
	}
	p.hangUps = append(p.hangUps, done)
	p.push = push.NewService(p.db.Devices(), p.db.Pushes(), sender, log)
	p.db.OnCommit(func(events []core.Event, mitras []core.MitraID) {
		p.presence.Touch(mitras)
		for _, e := range events { // our own sockets need no bus; what comes back over it is a duplicate
			p.gateway.Event(e)
		}
	})

	p.buildPayments(cfg.Payment, clock)

	// What faces the world.
	if err := p.buildHTTP(clock); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func newAuth(cfg auth.Config, vendors signInVendors, testUsers bool, db *postgres.DB, clock core.Clock, log *slog.Logger) (*auth.Service, error) {
	accounts := db.Accounts()
	deps := auth.Deps{
		Accounts: accounts, Sessions: accounts, Codes: accounts, Operators: accounts, Customers: accounts, AppleTokens: accounts,
		Sender: vendors.sender, Google: vendors.google, Apple: vendors.apple, Grants: vendors.grants,
		Settings: db.Settings().Current, Clock: clock, Log: log,
	}
	if testUsers {
		deps.Tests = accounts
	}
	return auth.New(cfg, deps)
}

// authConfig gives hashing half of the cores. cores is how many the process has; 0: as GOMAXPROCS says.
func authConfig(tokens config.Tokens, cores int) auth.Config {
	cfg := auth.Config{
		Secret:         []byte(tokens.JWTSecret),
		PreviousSecret: []byte(tokens.JWTSecretPrevious),
		AccessTTL:      config.Seconds(tokens.AccessTTL),
		RefreshTTL:     config.Days(tokens.RefreshTTL),
		IdleTTL:        config.Days(tokens.RefreshIdle),
		OperatorTTL:    config.Minutes(60 * tokens.OperatorTTL),
		OperatorIdle:   config.Minutes(tokens.OperatorIdle),
	}
	if cores > 0 {
		cfg.Hashers = max(1, cores/2)
	}
	return cfg
}

func newPresence(c config.Presence, db *postgres.DB, mirror *valkey.Client, clock core.Clock, log *slog.Logger) *presence.Service {
	cfg := presence.Config{
		Stale:          config.Seconds(c.StaleSeconds),
		Grace:          config.Seconds(c.GraceSeconds),
		Flush:          config.Millis(c.FlushMillis),
		OfflineSweep:   config.Seconds(c.AutoOfflineSeconds),
		HeartbeatSweep: config.Seconds(c.MirrorSeconds),
		MirrorSweep:    config.Seconds(c.ReseedSeconds),
	}
	truth := db.Presence()
	return presence.NewService(cfg, truth, truth, truth, mirror.Mirror(cfg.Stale, cfg.Grace), clock, log)
}

func gatewayConfig(c config.Sockets, tokens config.Tokens, loops int) gateway.Config {
	return gateway.Config{
		Socket: socket.Config{
			MaxMessageBytes:    c.MaxMessageBytes,
			OutboundQueueBytes: c.OutboundBytes,
			FramesPerSecond:    c.FramesPerSecond,
			AcceptsPerSecond:   c.AcceptsPerSecond,
			MaxConnections:     c.MaxConnections,
			HandshakeTimeout:   config.Seconds(c.HandshakeTimeout),
			IdleTimeout:        config.Seconds(c.IdleTimeout),
			MaxAge:             config.Seconds(c.MaxAge),
			AllowedOrigins:     c.AllowedOrigins,
			Loops:              loops,
			Dedicated:          loops > 0,
		},
		Heartbeat: config.Seconds(c.Heartbeat),
		// Of a token that does not live for two minutes, half of its life is left for a new one.
		TokenWarning: min(time.Minute, config.Seconds(tokens.AccessTTL)/2),
		// Zero would mean the default; at once is meant.
		Drain: max(config.Seconds(c.DrainSeconds), time.Millisecond),
	}
}

// rooms are what the gateway's requests are carried out by.
func (p *program) rooms(bus gateway.Bus) gateway.Rooms {
	return gateway.Rooms{
		Presence: p.presence, Pairing: promptPairing{p.pairing, p.chat, p.payment}, Chat: promptChat{p.chat, p.payment}, Devices: p.push,
		Outbox: p.db.Outbox(), Bus: bus, HTTP: p.public,
	}
}

// buildHTTP makes the two routers. They share no route: what is internal is 404 on the public port.
func (p *program) buildHTTP(clock core.Clock) error {
	described, err := description().Text()
	if err != nil {
		return err
	}
	cfg := rest.Config{
		PerIPPerMinute:      p.cfg.RESTPerIPMinute,
		PerAccountPerMinute: p.cfg.RESTPerAccount,
		TestRoutes:          p.cfg.TestRoutes,
		TrustedProxies:      p.cfg.Proxies(),
		CCOrigin:            p.cfg.CCOrigin,
		PlainCookies:        p.cfg.CCPlainCookie,
	}
	deps := rest.Deps{
		Tokens: p.auth, SignIn: p.auth, Accounts: p.auth, Operators: p.auth, Limits: p.valkey.Limits(), TestAccounts: p.auth, Catalogue: p.chat,
		Payments: p.payment, Checkout: p.checkout,
		Readiness: readiness{p}, Metrics: telemetry.Handler(map[string]any{
			"auth": p.auth.Stats, "chat": p.chat.Stats, "pairing": p.pairing.Stats, "presence": p.presence.Stats, "push": p.push.Stats,
			"payment": p.payment.Stats,
			"gateway": p.gateway.Stats, "postgres": p.db.Stats, "valkey": p.valkey.Stats,
		}),
		Description: described,
	}
	if p.sendsWebhooks() {
		deps.Webhooks = p.payment
	}
	operators := newAdmin(p.db, p.auth, p.presence, p.valkey, clock)
	p.public = rest.Public(cfg, deps, clock, p.log)
	p.internal = rest.Internal(cfg, deps, clock, p.log, console.Routes(operators)...)
	if p.cfg.TestRoutes {
		p.internal = p.withAudit(p.internal)
	}
	return nil
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
		{Name: "accepting", OK: !r.gateway.Draining()},
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
