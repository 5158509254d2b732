// Package otplog is the code provider for development: instead of sending a phone code it writes one log line with phone
// and code. It costs nothing and tells everybody who reads the log, so `serve` refuses it unless ALLOW_DEV_PROVIDERS is set.
package otplog

import (
	"context"
	"log/slog"

	"github.com/halobestie/bestie-gateway/core"
)

// Sender implements auth.CodeSender.
type Sender struct{ log *slog.Logger }

// New makes a sender that writes to log.
func New(log *slog.Logger) *Sender { return &Sender{log: log} }

// SendCode writes the line. It never fails.
func (s *Sender) SendCode(ctx context.Context, app core.UserType, phone, code string) error {
	s.log.InfoContext(ctx, "phone code", "app", string(app), "phone", phone, "code", code)
	return nil
}
