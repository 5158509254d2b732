package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
)

// newLogger writes JSON for machines, or lines for people, who need no date.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly+".000"))
		}
		return a
	}
	return slog.New(slog.NewTextHandler(w, options))
}
