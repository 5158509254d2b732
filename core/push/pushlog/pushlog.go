// Package pushlog is the push provider for development: instead of sending a push it writes one log line with what would be
// sent, but for the token. Nobody is reached by it, so `serve` refuses it unless ALLOW_DEV_PROVIDERS is set.
package pushlog

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/halobestie/bestie-gateway/core/push"
)

// Sender implements push.Sender.
type Sender struct{ log *slog.Logger }

// New makes a sender that writes to log.
func New(log *slog.Logger) *Sender { return &Sender{log: log} }

// Send writes the line. It never fails.
func (s *Sender) Send(ctx context.Context, m push.Message) error {
	attrs := []slog.Attr{
		slog.String("platform", string(m.Platform)), slog.String("title", m.Title), slog.Duration("ttl", m.TTL),
	}
	for _, key := range slices.Sorted(maps.Keys(m.Data)) {
		attrs = append(attrs, slog.String(key, m.Data[key]))
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "push", attrs...)
	return nil
}
