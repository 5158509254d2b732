package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/valkey"
)

func migrateCommand() *command {
	type settings struct {
		config.Database
		config.Log
	}
	return &command{
		name:    "migrate",
		summary: "bring the database's schema to this version",
		about: `
Applies the migrations that this binary carries and the database lacks. It may be run at any time, also twice and on several
machines at once: an advisory lock lets one of them work. Migrations only expand the schema, so older instances keep running
meanwhile. Run it before the new version's serve, which refuses an older schema.`,
		settings: config.Settings[settings](),
		example:  "DATABASE_URL=postgres://bestie:…@db/bestie bestie migrate",
		flags:    newFlags("migrate"),
		run: func(ctx context.Context, sh *shell, _ []string) error {
			cfg, err := config.Load[settings](sh.environ)
			if err != nil {
				return err
			}
			if err := postgres.Migrate(ctx, string(cfg.DatabaseDirectURL), newLogger(cfg.Log, sh.err)); err != nil {
				return err
			}
			fmt.Fprintln(sh.out, "the schema is up to date")
			return nil
		},
	}
}

func seedCommand() *command {
	type settings struct {
		config.Database
		config.Operator
		config.Log
	}
	return &command{
		name:    "seed",
		summary: "make the first operator, the packages and the run-time settings",
		about: `
Writes what an empty database needs before it is of use: app_config with its defaults, a few packages (one at price 0), and,
when ADMIN_EMAIL and ADMIN_PASSWORD are set, the first operator of the control center. What is there already stays as it is.`,
		settings: config.Settings[settings](),
		example:  "ADMIN_EMAIL=ops@example.com ADMIN_PASSWORD=… bestie seed",
		flags:    newFlags("seed"),
		run: func(ctx context.Context, sh *shell, _ []string) error {
			cfg, err := config.Load[settings](sh.environ)
			if err != nil {
				return err
			}
			if cfg.AdminEmail != "" && cfg.AdminPassword == "" {
				return config.Mistakes{"ADMIN_PASSWORD is missing, and ADMIN_EMAIL is set"}
			}
			db, err := openDatabase(ctx, cfg.Database, cfg.Log, sh)
			if err != nil {
				return err
			}
			defer db.Close()
			return seed(ctx, db, cfg.Operator, sh)
		},
	}
}

// seed writes the first rows. The operator is made when both of its settings are there.
func seed(ctx context.Context, db *postgres.DB, o config.Operator, sh *shell) error {
	rows := db.Seed()
	if err := errors.Join(rows.Config(ctx), rows.Packages(ctx)); err != nil {
		return err
	}
	fmt.Fprintln(sh.err, "app_config and packages are there")
	if o.AdminEmail == "" {
		fmt.Fprintln(sh.err, "no operator: ADMIN_EMAIL is not set")
		return nil
	}
	made, err := seedOperator(ctx, rows, o)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(sh.err, "the operator %s was made\n", o.AdminEmail)
	} else {
		fmt.Fprintf(sh.err, "the operator %s is there; it keeps its password\n", o.AdminEmail)
	}
	return nil
}

// seedOperator makes the operator unless the address is taken.
func seedOperator(ctx context.Context, rows *postgres.Seed, o config.Operator) (made bool, err error) {
	if has, err := rows.HasOperator(ctx, o.AdminEmail); has || err != nil {
		return false, err
	}
	hash, err := auth.HashPassword(string(o.AdminPassword))
	if err != nil {
		return false, config.Mistakes{"ADMIN_PASSWORD is refused: " + err.Error()}
	}
	return true, rows.Operator(ctx, o.AdminEmail, hash)
}

// openDatabase gives a database that answers and has the schema.
func openDatabase(ctx context.Context, c config.Database, l config.Log, sh *shell) (*postgres.DB, error) {
	db, err := postgres.Open(ctx, string(c.DatabaseURL), postgres.Options{MaxConns: c.DatabaseMaxConns, Log: newLogger(l, sh.err)})
	if err != nil {
		return nil, err
	}
	if err := db.CheckSchema(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func checkCommand() *command {
	type stores struct {
		config.Database
		config.Valkey
	}
	return &command{
		name:    "check",
		summary: "find mistakes in the configuration, and try the stores",
		about: `
Reads every setting as serve would and reports all mistakes at once: missing and bad ones, those that do not go together, and
variables that look like ours and are not (a typing mistake, or a setting of another version). Then it asks Postgres and
Valkey whether they answer, and Postgres for its schema. Nothing is changed, no secret is printed. Exit code 0: serve will start.`,
		settings: config.Settings[config.All](),
		example:  "env $(cat production.env) bestie check",
		flags:    newFlags("check"),
		run: func(ctx context.Context, sh *shell, _ []string) error {
			cfg, mistakes := checkSettings(sh.environ)
			for _, mistake := range mistakes {
				fmt.Fprintf(sh.out, "bad   %s\n", mistake)
			}
			if len(mistakes) == 0 {
				fmt.Fprintln(sh.out, "good  settings")
			}
			failed := 0
			if c, err := config.Load[stores](sh.environ); err == nil {
				failed = checkStores(ctx, c.Database, c.Valkey, sh)
			}
			switch {
			case len(mistakes) > 0:
				return usagef("%d mistakes in the configuration", len(mistakes))
			case failed > 0:
				return fmt.Errorf("%d of 2 stores cannot be used", failed)
			}
			fmt.Fprintf(sh.out, "serve would listen on %s and %s\n", cfg.PublicAddr, cfg.InternalAddr)
			return nil
		},
	}
}

// checkSettings gives everything that is wrong with the settings of serve.
func checkSettings(environ []string) (config.All, config.Mistakes) {
	cfg, err := config.Load[config.All](environ)
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) {
		mistakes = refusals(cfg.Serve)
	}
	return cfg, append(mistakes, config.Unknown(environ)...)
}

// checkStores tries each store and tells how many cannot be used.
func checkStores(ctx context.Context, d config.Database, v config.Valkey, sh *shell) (failed int) {
	tell := func(store string, err error) {
		if err != nil {
			failed++
			fmt.Fprintf(sh.out, "bad   %s: %v\n", store, err)
			return
		}
		fmt.Fprintf(sh.out, "good  %s\n", store)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	quiet := config.Log{LogLevel: 100}
	db, err := openDatabase(ctx, d, quiet, sh)
	if err == nil {
		db.Close()
	}
	tell("Postgres", err)
	tell("Valkey", pingValkey(ctx, v, sh))
	return failed
}

func pingValkey(ctx context.Context, v config.Valkey, sh *shell) error {
	client, err := valkey.Open(string(v.ValkeyURL), v.ValkeyPrefix, core.SystemClock, newLogger(config.Log{LogLevel: 100}, sh.err))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Pulse(ctx)
	return err
}
