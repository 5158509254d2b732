package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Migrate brings the schema to this build's version. It connects by url itself, past any pooler, and takes an advisory lock,
// so that it may run on several machines at once. A statement that cannot have its table lock within two seconds fails
// rather than queue everybody else behind it; what was done until then stays and the next run goes on from there.
func Migrate(ctx context.Context, url string, log *slog.Logger) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("DATABASE_DIRECT_URL: %w", err)
	}
	cfg.RuntimeParams["lock_timeout"] = "2s"
	conn := stdlib.OpenDB(*cfg)
	defer conn.Close()
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, files, goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true)) // migrations that were written side by side may land in either order
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, m := range done {
		log.Info("migrated", "version", m.Source.Version, "took", m.Duration)
	}
	return nil
}

// CheckSchema refuses a schema older than this build's and tolerates a newer one (changes first expand, a later release
// contracts). UNAVAILABLE when Postgres is away.
func (db *DB) CheckSchema(ctx context.Context) error {
	want, err := latest()
	if err != nil {
		return err
	}
	var have int64
	err = db.within(ctx, "check schema", func(ctx context.Context) error {
		var exists bool
		if err := db.pool.QueryRow(ctx, `select to_regclass('goose_db_version') is not null`).Scan(&exists); err != nil || !exists {
			return err
		}
		return db.pool.QueryRow(ctx, `select coalesce(max(version_id), 0) from goose_db_version where is_applied`).Scan(&have)
	})
	if err != nil {
		return err
	}
	if have < want {
		return fmt.Errorf("the database's schema is version %d, this build needs %d: run `bestie migrate`", have, want)
	}
	return nil
}

// latest is the version of the last embedded migration.
func latest() (int64, error) {
	files, err := fs.Glob(embedded, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(files[len(files)-1])
}
