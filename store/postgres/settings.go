package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
)

// settingsEvery is how often an instance looks whether operators changed anything.
const settingsEvery = 2 * time.Second

// Settings is this instance's copy of app_config. Until it was loaded, the defaults hold. Safe for concurrent use.
type Settings struct {
	db      *DB
	current atomic.Pointer[core.Settings]
	ignored map[string]string // bad rows that were logged, by key; Load's own
	loading chan struct{}     // holds one token: Load runs once at a time
}

func newSettings(db *DB) *Settings {
	s := &Settings{db: db, ignored: map[string]string{}, loading: make(chan struct{}, 1)}
	defaults := core.DefaultSettings()
	s.current.Store(&defaults)
	return s
}

// Settings is the one copy of this DB.
func (db *DB) Settings() *Settings { return db.settings }

// Current is the copy as it is now. It does no I/O.
func (s *Settings) Current() core.Settings { return *s.current.Load() }

// Load reads app_config, and measures Postgres's clock (DB.Now). Unknown keys and values out of bounds are logged once and ignored, so that the defaults hold in
// their place. UNAVAILABLE leaves the copy as it is.
func (s *Settings) Load(ctx context.Context) error {
	select {
	case s.loading <- struct{}{}:
		defer func() { <-s.loading }()
	case <-ctx.Done():
		return core.Wrap(core.Unavailable, ctx.Err())
	}
	type stored struct {
		Key   string
		Value []byte
	}
	var all []stored
	err := s.db.within(ctx, "load settings", func(ctx context.Context) error {
		rows, err := s.db.pool.Query(ctx, `select key, value::text from app_config`)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[stored])
		return err
	})
	if err != nil {
		return err
	}
	next := core.DefaultSettings()
	for _, r := range all {
		if err := next.Set(r.Key, r.Value); err != nil {
			s.complain(r.Key, string(r.Value), err)
		}
	}
	s.current.Store(&next)
	return s.db.measureClock(ctx)
}

func (s *Settings) complain(key, value string, err error) {
	if s.ignored[key] == value {
		return
	}
	s.ignored[key] = value
	s.db.log.Warn("app_config: row ignored", "key", key, "value", value, "error", err)
}

// Run follows app_config until ctx ends, so that a change holds here within a few seconds. While Postgres is away the
// last copy stays.
func (s *Settings) Run(ctx context.Context) error {
	tick := time.NewTicker(settingsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.Load(ctx); err != nil && ctx.Err() == nil {
				s.db.log.Debug("app_config: not read", "error", err)
			}
		}
	}
}

// Put stores one setting, a whole number or a word as JSON, and holds it here at once. by may be the zero id (the system).
// BAD_MESSAGE names an unknown key or a value out of bounds.
func (s *Settings) Put(ctx context.Context, key string, value any, by core.OperatorID) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return core.FieldError(key, "must be a whole number or a word")
	}
	scratch := core.DefaultSettings()
	if err := scratch.Set(key, raw); err != nil {
		return err
	}
	err = s.db.within(ctx, "put setting", func(ctx context.Context) error {
		_, err := s.db.pool.Exec(ctx, `
			insert into app_config (key, value, updated_by) values ($1, $2, $3)
			on conflict (key) do update set value = excluded.value, updated_by = excluded.updated_by, updated_at = now()`, key, raw, by)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return s.Load(ctx)
}
