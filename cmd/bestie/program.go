package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/valkey"
)

// program is one instance. newProgram builds it floor by floor (wiring.go), Run lives its life:
//
//	wait for Postgres and its schema
//	settings, revoked sessions        what answers depend on; read while waiting
//	outbox, bus, deadlines            what was due while nobody ran fires now
//	mirror seeded                     Valkey may be out: the seed follows
//	internal listener, public listener
//	… until ctx ends …
//	drain: connections are sent away over DRAIN_SECONDS
//	everything stopped in reverse, stores closed
type program struct {
	cfg   config.Serve
	log   *slog.Logger
	alone bool // machine.alone

	db       *postgres.DB
	valkey   *valkey.Client
	auth     *auth.Service
	presence *presence.Service
	chat     *chat.Service
	pairing  *pairing.Service
	push     *push.Service
	hangUps  []func() // each lets go of a vendor
	payment  *payment.Service
	checkout http.Handler // the payment sandbox's page; nil without it
	gateway  *gateway.Server
	public   http.Handler // REST of the apps
	internal http.Handler // REST of the control center, metrics

	started  chan struct{} // closed when both listeners are bound
	listener net.Listener  // the internal one; set before started is closed
	closing  sync.Once
}

// stopPatience is how long the end of the drain and the stop of all parts may take beyond DRAIN_SECONDS: the process is to be
// gone within a second.
const stopPatience = 900 * time.Millisecond

// Run serves until ctx ends, drains, and returns when nothing of the program is left. It may be called once. An error is a
// start that failed or a part that stopped by itself.
func (p *program) Run(ctx context.Context) error {
	defer p.close()
	if err := p.waitForDatabase(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop while it was waiting
		}
		return err
	}
	running := newParts(p.log)
	defer running.stop(stopPatience)
	if err := p.start(ctx, running); err != nil {
		return err
	}
	p.log.Info("ready", "public", p.PublicAddr().String(), "internal", p.InternalAddr().String(), "version", buildVersion())
	close(p.started)

	select {
	case err := <-running.failed:
		p.log.Error("stopping, a part failed", "error", err)
		return err
	case <-ctx.Done():
	}
	gone := time.Now().Add(config.Seconds(p.cfg.DrainSeconds) + stopPatience)
	p.log.Info("draining", "seconds", p.cfg.DrainSeconds)
	p.drain(running, gone)
	running.stop(time.Until(gone))
	p.log.Info("stopped")
	return nil
}

// Started is closed when both listeners are bound; the addresses can be read from then on.
func (p *program) Started() <-chan struct{} { return p.started }

// PublicAddr is where the apps connect.
func (p *program) PublicAddr() net.Addr { return p.gateway.Addr() }

// InternalAddr is where operators and metrics connect.
func (p *program) InternalAddr() net.Addr { return p.listener.Addr() }

// waitForDatabase returns when Postgres has the schema and what answers depend on was read. An instance may be started before its
// database, or while that is busy: it then asks every second. An older schema is an error at once.
func (p *program) waitForDatabase(ctx context.Context) error {
	outage := core.Outage{Log: p.log, What: "reaching Postgres"}
	for {
		err := outage.Note(ctx, p.readDatabase(ctx))
		if core.CodeOf(err) != core.Unavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (p *program) readDatabase(ctx context.Context) error {
	if err := p.db.CheckSchema(ctx); err != nil {
		return err
	}
	if err := p.db.Settings().Load(ctx); err != nil {
		return err
	}
	return p.auth.LoadDenied(ctx)
}

// start brings the parts up in order; what it started is stopped by its caller.
func (p *program) start(ctx context.Context, running *parts) error {
	outbox, bus := p.db.Outbox(), p.valkey.Bus()
	running.start("settings", p.db.Settings().Run)
	running.start("auth", func(ctx context.Context) error { return p.auth.Run(ctx, p.gateway) })
	running.start("bus", func(ctx context.Context) error { return bus.Run(ctx, p.gateway) })
	running.start("outbox", func(ctx context.Context) error { return outbox.Run(ctx, bus) })
	running.start("deadlines", p.chat.Run)
	running.start("absences", p.watchAbsences)
	running.start("pushes", p.push.Run)

	seeding, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := p.presence.Seed(seeding); err != nil {
		p.log.Warn("the mirror is not seeded yet; answering from Postgres", "error", err)
	}
	running.start("presence", func(ctx context.Context) error { return p.presence.Run(ctx, p.pairing, p.gateway) })
	running.start("pairing", p.pairing.Run)

	var err error
	if p.listener, err = net.Listen("tcp", p.cfg.InternalAddr); err != nil {
		return listenError("INTERNAL_ADDR", p.cfg.InternalAddr, err)
	}
	if err = p.gateway.Listen(p.cfg.PublicAddr, p.rooms(bus)); err != nil {
		p.listener.Close()
		return listenError("PUBLIC_ADDR", p.cfg.PublicAddr, err)
	}
	running.start("internal listener", p.serveInternal)
	running.start("payments", p.payment.Run)
	running.start("gateway", p.gateway.Run)
	running.start("instance report", p.report)
	if p.alone {
		running.start("memory", keepLean)
	}
	return nil
}

// report lists this instance in Valkey while it runs, for operators to look at. A report that fails is no harm: the
// client counts it.
func (p *program) report(ctx context.Context) error {
	since := p.valkey.Now()
	every := time.NewTicker(valkey.InstanceTTL / 3)
	defer every.Stop()
	for {
		stats := p.gateway.Stats()
		_ = p.valkey.ReportInstance(ctx, valkey.Instance{
			Address: p.PublicAddr().String(), Version: buildVersion(), Since: since,
			Mitras: int(stats.Connections - stats.Customers), Customers: int(stats.Customers),
		})
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// serveInternal answers on the internal listener until ctx ends, also while the instance drains.
func (p *program) serveInternal(ctx context.Context) error {
	server := &http.Server{
		Handler: p.internal, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(stopped)
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience/3)
		defer cancel()
		if server.Shutdown(brief) != nil {
			server.Close()
		}
	})
	err := server.Serve(p.listener)
	if unhook() {
		return err // it failed, nobody asked it to stop
	}
	<-stopped
	return nil
}

// drain sends the connections away and returns when they are gone, when the time is nearly over, or when a part failed.
func (p *program) drain(running *parts, gone time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), gone.Add(-stopPatience/2))
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.gateway.Drain(ctx)
	}()
	select {
	case <-drained:
	case err := <-running.failed:
		p.log.Error("a part failed while draining", "error", err)
		cancel()
		<-drained
	}
}

// close gives the stores back. Run does it by itself; it is for a program that never ran.
func (p *program) close() {
	p.closing.Do(func() {
		for _, hangUp := range p.hangUps {
			hangUp()
		}
		p.valkey.Close()
		p.db.Close()
	})
}
