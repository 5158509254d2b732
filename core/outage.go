package core

import (
	"context"
	"errors"
	"log/slog"
)

// Outage keeps a loop that goes on failing from filling the log: the first failure is a warning, the recovery a line, and
// what lies between is counted. It belongs to one goroutine.
type Outage struct {
	Log    *slog.Logger
	What   string // the work that fails, as a person would name it
	failed int
}

// Note takes the result of one round and gives it back. An error because ctx has ended is no outage.
func (o *Outage) Note(ctx context.Context, err error) error {
	switch {
	case err == nil:
		if o.failed > 0 {
			o.Log.Info(o.What+" works again", "failed_rounds", o.failed)
		}
		o.failed = 0
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
	default:
		if o.failed == 0 {
			o.Log.Warn(o.What+" fails; trying again", "error", err)
		}
		o.failed++
	}
	return err
}
