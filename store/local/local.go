package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// Options say how a store is run. The zero value is a test's: a directory of its own that goes away with the server,
// nothing written for durability, a free port.
type Options struct {
	// Dir keeps the data in Dir/postgres or Dir/valkey. Where that cannot be (read-only, or out of reach of the account
	// that Postgres runs as under root) a folder of the machine's temporary space stands in, and Progress says which.
	// Empty: a fresh folder in memory, where there is plenty, else under the cache.
	Dir string
	// Durable keeps the data when the server stops and makes Postgres write as it does in production.
	Durable bool
	// Private passes over DATABASE_URL and VALKEY_URL: for tests that kill and freeze the server.
	Private bool
	// Port is where it listens on 127.0.0.1; 0 picks a free one.
	Port int
	// Progress is told, a line at a time, about everything that may take more than a moment. Nil: nobody is told.
	Progress func(line string)
}

func (o Options) say(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// Postgres gives a Postgres, version 14 or later, found as the package comment says. The URL's user owns the server. The
// error is for a person: it names what to install. ctx bounds the start alone, the server outlives it.
func Postgres(ctx context.Context, o Options) (*Server, error) {
	if url := os.Getenv("DATABASE_URL"); url != "" && !o.Private {
		return &Server{url: url, origin: "DATABASE_URL", engine: external{}}, nil
	}
	p, err := claim(ctx, o, "postgres")
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	s, err := somePostgres(ctx, p, o)
	if err != nil {
		p.release()
		return nil, err
	}
	o.say("%s", s.origin)
	return s, nil
}

func somePostgres(ctx context.Context, p *place, o Options) (*Server, error) {
	b, err := findPostgres(ctx, p, o)
	if err == nil {
		return startPostgres(ctx, b, p, o)
	}
	if docker, dockerErr := findDocker(ctx); dockerErr == nil {
		return docker.postgres(ctx, p, o)
	}
	return nil, missing("Postgres", "postgresql", "postgresql@17", "DATABASE_URL", err)
}

// findPostgres prefers the version that wrote the data, if there is data.
func findPostgres(ctx context.Context, p *place, o Options) (binaries, error) {
	found := machine().installations(ctx, p.as)
	for _, b := range found {
		if dataVersion(p) == strconv.Itoa(b.major) {
			return b, nil
		}
	}
	if len(found) > 0 {
		return found[0], nil
	}
	d, err := findDebian()
	if err != nil {
		return binaries{}, err
	}
	return d.postgres(ctx, p.as, o)
}

// Valkey gives a Valkey, a Redis or, as the last resort, an imitation inside this process (Miniredis). It keeps nothing on
// disk: what it holds is derived from Postgres. ctx bounds the start alone, the server outlives it.
func Valkey(ctx context.Context, o Options) (*Server, error) {
	if url := os.Getenv("VALKEY_URL"); url != "" && !o.Private {
		return &Server{url: url, origin: "VALKEY_URL", engine: external{}}, nil
	}
	p, err := claim(ctx, o, "valkey")
	if err != nil {
		return nil, fmt.Errorf("valkey: %w", err)
	}
	s, err := someValkey(ctx, p, o)
	if err != nil {
		p.release()
		return nil, err
	}
	o.say("%s", s.origin)
	return s, nil
}

func someValkey(ctx context.Context, p *place, o Options) (*Server, error) {
	found, err := findValkey(ctx, p, o)
	if err == nil {
		return startValkey(ctx, found, p, o)
	}
	if docker, dockerErr := findDocker(ctx); dockerErr == nil {
		return docker.valkey(ctx, p, o)
	}
	if ctx.Err() != nil {
		return nil, err
	}
	o.say("WARNING: %v", missing("Valkey", "valkey", "valkey", "VALKEY_URL", err))
	o.say("WARNING: an imitation inside this process (miniredis) stands in: for looking around, never for load or production")
	p.release()
	return startMini(o)
}

func findValkey(ctx context.Context, p *place, o Options) (program, error) {
	if found, ok := machine().program(p.as, "valkey-server"); ok {
		return found, nil
	}
	d, err := findDebian()
	if err == nil {
		var fetched program
		if fetched, err = d.valkey(ctx, p.as, o); err == nil {
			return fetched, nil
		}
	}
	if found, ok := machine().program(p.as, "redis-server"); ok {
		o.say("no Valkey (%v): %s stands in for it", err, found.path)
		return found, nil
	}
	return program{}, err
}

// missing is the line for a person on a machine on which nothing was found.
func missing(store, apt, brew, variable string, cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return fmt.Errorf("no %s here: `brew install %s` or `sudo apt-get install %s`, start Docker, or set %s (%w)",
		store, brew, apt, variable, cause)
}
