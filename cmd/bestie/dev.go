package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/store/local"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func devCommand() *command {
	flags := newFlags("dev")
	dir := flags.String("dir", defaultDevDir, "`folder` for data; kept between runs")
	return &command{
		name:    "dev",
		summary: "everything on this machine: stores, demo data, one instance",
		about: `
Runs an instance with all that it needs, for development. Postgres and Valkey come from DATABASE_URL and VALKEY_URL if they are
set, else from programs on this machine, else they are fetched into the user's cache folder, which takes a moment the first time.
The schema is brought up to date, demo data is written, the test routes are on, phone codes appear in the log, and what
to try next is printed. Data stays in .dev between runs: delete the folder to start anew. Ctrl-C stops it all.`,
		settings: devSettings(),
		example:  "bestie dev\nPUBLIC_ADDR=127.0.0.1:4000 INTERNAL_ADDR=127.0.0.1:4001 bestie dev --dir /tmp/bestie",
		flags:    flags,
		run: func(ctx context.Context, sh *shell, _ []string) error {
			folder, err := filepath.Abs(*dir)
			if err != nil {
				return err
			}
			err = dev(ctx, sh, folder)
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				return nil // stopped while it was starting
			}
			return err
		},
	}
}

// devSettings are those of serve and seed; what those require, dev finds or makes.
func devSettings() []config.Setting {
	settings := config.Settings[config.All]()
	for i := range settings {
		if settings[i].Required {
			settings[i].Required, settings[i].Default = false, "dev finds or makes one"
		}
	}
	return settings
}

// dev brings everything up, serves until ctx ends, and takes everything down.
func dev(ctx context.Context, sh *shell, dir string) error {
	began := time.Now()
	step := func(line string) { fmt.Fprintf(sh.err, "dev: %s\n", line) }
	den, err := openDen(dir)
	if err != nil {
		return err
	}
	environ, err := den.environ(sh.environ)
	if err != nil {
		return err
	}
	listen, err := config.Load[config.Listen](environ)
	if err != nil {
		return err
	}
	if err := addressesAreFree(listen); err != nil {
		return err
	}

	stores, err := startStores(ctx, dir, environ, step)
	if err != nil {
		return err
	}
	defer stores.stop()
	cfg, err := config.Load[config.All](append(environ, stores.environ()...))
	if err != nil {
		return err
	}
	if refused := refusals(cfg.Serve); len(refused) > 0 {
		return refused
	}

	step("bringing the schema up to date")
	log := newLogger(cfg.Log, sh.err)
	if err := postgres.Migrate(ctx, string(cfg.DatabaseDirectURL), log); err != nil {
		return err
	}
	if err := seedDemo(ctx, cfg, sh); err != nil {
		return err
	}
	p, err := newProgram(ctx, cfg.Serve, wholeMachine(), log)
	if err != nil {
		return err
	}
	return serveDev(ctx, p, den, func() {
		banner{program: p, stores: stores, operator: cfg.Operator, took: time.Since(began)}.print(sh.out)
	})
}

// serveDev runs the program; up is called when it listens.
func serveDev(ctx context.Context, p *program, den *den, up func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-p.Started():
	}
	if err := den.announce(p); err != nil {
		cancel()
		return errors.Join(err, <-ended)
	}
	defer den.retract()
	up()
	return <-ended
}

// demoMitra are mitras that one can sign in as at once.
var demoMitra = []struct{ phone, name string }{
	{"+6281100000001", "Sari"}, {"+6281100000002", "Dewi"}, {"+6281100000003", "Putri"},
}

// seedDemo writes what seed does, and the demo mitras.
func seedDemo(ctx context.Context, cfg config.All, sh *shell) error {
	db, err := openDatabase(ctx, cfg.Database, cfg.Log, sh)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := seed(ctx, db, cfg.Operator, sh); err != nil {
		return err
	}
	for _, m := range demoMitra {
		if err := db.Seed().Mitra(ctx, m.phone, m.name); err != nil {
			return err
		}
	}
	return nil
}

// devStores are the two stores of a dev run, ours or somebody else's.
type devStores struct{ postgres, valkey *local.Server }

// startStores finds or starts both. What it started ends with this process, however that ends.
func startStores(ctx context.Context, dir string, environ []string, step func(string)) (*devStores, error) {
	options := func(given string) local.Options {
		return local.Options{Dir: dir, Durable: true, Progress: step, Private: !isSet(environ, given)}
	}
	db, err := local.Postgres(ctx, options("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	mirror, err := local.Valkey(ctx, options("VALKEY_URL"))
	if err != nil {
		db.Stop()
		return nil, err
	}
	return &devStores{postgres: db, valkey: mirror}, nil
}

// environ is what the program needs to know of them. Later lines win over earlier ones.
func (s *devStores) environ() []string {
	return []string{"DATABASE_URL=" + s.postgres.URL(), "VALKEY_URL=" + s.valkey.URL()}
}

func (s *devStores) stop() {
	var both sync.WaitGroup
	both.Go(s.valkey.Stop)
	both.Go(s.postgres.Stop)
	both.Wait()
}

// addressesAreFree tries both addresses before anything is fetched or started, so that the answer comes at once.
func addressesAreFree(c config.Listen) error {
	try := func(name, addr string) error {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return listenError(name, addr, err)
		}
		return l.Close()
	}
	return errors.Join(try("PUBLIC_ADDR", c.PublicAddr), try("INTERNAL_ADDR", c.InternalAddr))
}

// listenError says what to do about an address that cannot be bound.
func listenError(name, addr string, err error) error {
	return fmt.Errorf("cannot listen: %w; if another program has the address (another bestie?), set %s to a free one, for example %s=%s",
		err, name, name, another(addr))
}

// another is an address like this one with a port that is easily recognised: 3000 becomes 4000.
func another(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	number, notNumber := strconv.Atoi(port)
	if err != nil || notNumber != nil || number+1000 > 65535 {
		return "127.0.0.1:4000"
	}
	return net.JoinHostPort(host, strconv.Itoa(number+1000))
}
