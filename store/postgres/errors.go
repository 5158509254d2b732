package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/halobestie/bestie-gateway/core"
)

// SQLSTATE codes and classes that we act on.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	readOnly             = "25006" // a standby, or a primary that was demoted
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014" // by our own deadline
)

// worthRetrying tells whether a fresh transaction may succeed where this one failed.
func worthRetrying(err error) bool {
	if errors.Is(err, errAgain) {
		return true
	}
	code := sqlState(err)
	return code == serializationFailure || code == deadlockDetected
}

// classify turns the failure of a use case into what its caller may see: codes pass, an absent or overloaded Postgres
// becomes UNAVAILABLE with the cause for the log, anything else stays without a code (INTERNAL).
func (db *DB) classify(op string, err error) error {
	var coded *core.Error
	switch {
	case err == nil || errors.As(err, &coded):
		return err
	case away(err) || worthRetrying(err):
		db.counters.unavailable.Add(1)
		return core.Wrap(core.Unavailable, fmt.Errorf("%s: %w", op, err))
	default:
		db.counters.failures.Add(1)
		return fmt.Errorf("%s: %w", op, err)
	}
}

// away tells whether Postgres was not there, too full, shutting down, or did not answer in time.
func away(err error) bool {
	if code := sqlState(err); code != "" {
		switch code {
		case readOnly, lockNotAvailable, queryCanceled:
			return true
		}
		class := code[:2]
		return class == "08" || class == "53" || class == "57" || class == "58"
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, pgx.ErrTxClosed) ||
		strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "closed pool")
}

// sqlState is the SQLSTATE in err's chain, or "".
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// violates tells whether err is the violation of the named unique index, foreign key or check.
func violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}

// missing tells whether a query for one row found none.
func missing(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
