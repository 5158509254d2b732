package sim

import (
	"context"
	"fmt"
	"io"
	"time"
)

// How often the line of progress is written.
const (
	terminalEvery = time.Second
	logEvery      = 5 * time.Second
)

// showProgress writes the line of progress until ctx ends: on a terminal over the one before.
func (w *world) showProgress(ctx context.Context, out io.Writer) {
	every := logEvery
	if w.opts.Terminal {
		every = terminalEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	begin, last, beats := time.Now(), time.Now(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			if w.opts.Terminal {
				fmt.Fprintln(out)
			}
			return
		case now := <-ticker.C:
			sent := w.meters.heartbeats.Load()
			line := w.line(now.Sub(begin), float64(sent-beats)/now.Sub(last).Seconds())
			last, beats = now, sent
			if w.opts.Terminal {
				fmt.Fprintf(out, "\r%-100s", line)
			} else {
				fmt.Fprintln(out, line)
			}
		}
	}
}

// line is the state of the run in a line.
func (w *world) line(elapsed time.Duration, beats float64) string {
	m := &w.meters
	_, errors := m.errors.snapshot()
	broken, _ := w.ledger.broken()
	return fmt.Sprintf("%4.0fs  sockets %d  heartbeats/s %.0f  available %d  searching %d  paired %d (%d so far)  errors %d  broken %d",
		elapsed.Seconds(), m.sockets.Load(), beats, m.available.Load(), m.searching.Load(), m.paired.Load(), m.matched.Load(),
		errors, len(broken))
}
