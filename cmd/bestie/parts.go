package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// parts are the long-running pieces of an instance, started one after the other and stopped in reverse. It belongs to one
// goroutine. Each piece is a Run(ctx) that returns when its context ends; one that returns before has failed, and
// with it the instance.
type parts struct {
	log     *slog.Logger
	running []*part
	failed  chan error // the first failure
}

type part struct {
	name string
	end  context.CancelFunc
	done chan struct{}
}

func newParts(log *slog.Logger) *parts {
	return &parts{log: log, failed: make(chan error, 1)}
}

// start runs a piece in a goroutine of its own until stop comes to it.
func (p *parts) start(name string, run func(ctx context.Context) error) {
	// A piece ends in its turn, not with whoever started it.
	ctx, end := context.WithCancel(context.Background())
	piece := &part{name: name, end: end, done: make(chan struct{})}
	p.running = append(p.running, piece)
	go func() {
		defer close(piece.done)
		err := run(ctx)
		if ctx.Err() != nil && err == nil {
			return
		}
		if err == nil {
			err = fmt.Errorf("%s stopped by itself", name)
		} else {
			err = fmt.Errorf("%s: %w", name, err)
		}
		select {
		case p.failed <- err:
		default:
			p.log.Error("a part failed after another", "error", err)
		}
	}()
}

// stop ends the pieces in reverse order, each when those above it are gone. A piece that has not ended when patience is over is
// named and left behind, and the rest gets a moment each.
func (p *parts) stop(patience time.Duration) {
	deadline := time.Now().Add(patience)
	for i := len(p.running) - 1; i >= 0; i-- {
		piece := p.running[i]
		piece.end()
		timer := time.NewTimer(max(time.Until(deadline), 50*time.Millisecond))
		select {
		case <-piece.done:
		case <-timer.C:
			p.log.Error("a part did not stop in time and is left behind", "part", piece.name)
		}
		timer.Stop()
	}
	p.running = nil
}
