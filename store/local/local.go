package local

import (
	"context"
	"errors"
	"os"
)

// Options say how a store is run. The zero value is a test's: a directory of its own that goes away with the server,
// nothing written for durability, a free port.
type Options struct {
	// Dir keeps the data in Dir/postgres or Dir/valkey. Where that cannot be (read-only, or out of reach of the account
	// that Postgres runs as under root) a folder of the machine's temporary space stands in, and Progress says which.
	// Empty: a fresh folder under the cache.
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

// Postgres gives a Postgres, version 14 or later, found as the package comment says. The URL's user owns the server. The
// error is for a person: it names what to install. ctx bounds the start alone, the server outlives it.
func Postgres(ctx context.Context, o Options) (*Server, error) {
	if url := os.Getenv("DATABASE_URL"); url != "" && !o.Private {
		return &Server{url: url, origin: "DATABASE_URL", engine: external{}}, nil
	}
	return nil, errors.New("not yet")
}

// Valkey gives a Valkey, a Redis or, as the last resort, an imitation inside this process (Miniredis). It keeps nothing on
// disk: what it holds is derived from Postgres. ctx bounds the start alone, the server outlives it.
func Valkey(ctx context.Context, o Options) (*Server, error) {
	if url := os.Getenv("VALKEY_URL"); url != "" && !o.Private {
		return &Server{url: url, origin: "VALKEY_URL", engine: external{}}, nil
	}
	return nil, errors.New("not yet")
}
