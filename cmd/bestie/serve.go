package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
)

func serveCommand() *command {
	return &command{
		name:    "serve",
		summary: "run an instance of the gateway",
		about: `
Serves sockets and REST on PUBLIC_ADDR, and the control center's REST and metrics on INTERNAL_ADDR. Any number of equal instances may
run on the same Postgres and Valkey. The schema must be there (bestie migrate); Postgres may come later, and Valkey may be
away: the instance then works from Postgres. SIGTERM drains: new sockets are refused, those that are up are sent away over
DRAIN_SECONDS, and the process ends within a second after that. A second signal ends it at once.`,
		settings: config.Settings[config.Serve](),
		example:  "DATABASE_URL=postgres://… VALKEY_URL=redis://… AUTH_JWT_SECRET=$(openssl rand -hex 32) bestie serve",
		flags:    newFlags("serve"),
		run: func(ctx context.Context, sh *shell, _ []string) error {
			cfg, err := config.Load[config.Serve](sh.environ)
			if err != nil {
				return err
			}
			if refused := refusals(cfg); len(refused) > 0 {
				return refused
			}
			p, err := newProgram(ctx, cfg, wholeMachine(), newLogger(cfg.Log, sh.err))
			if err != nil {
				return err
			}
			return p.Run(ctx)
		},
	}
}

// refusals are settings that are each valid and together not fit to serve with.
func refusals(cfg config.Serve) (mistakes config.Mistakes) {
	if cfg.OTPProvider == "log" && !cfg.AllowDevProviders {
		mistakes = append(mistakes, "OTP_PROVIDER log writes phone codes to the log, for development only: set ALLOW_DEV_PROVIDERS=true to serve with it")
	}
	if cfg.CCPlainCookie && !cfg.AllowDevProviders {
		mistakes = append(mistakes, "CC_PLAIN_COOKIE lets the operators' refresh token travel without TLS, for development only: leave it out, or set ALLOW_DEV_PROVIDERS=true")
	}
	if _, done, err := newSignInVendors(cfg.Codes, cfg.Identities, core.SystemClock, slog.New(slog.DiscardHandler)); err != nil {
		mistakes = append(mistakes, err.Error())
	} else {
		done()
	}
	if cfg.PaymentProvider == "sandbox" && !cfg.AllowDevProviders {
		mistakes = append(mistakes, "PAYMENT_PROVIDER sandbox lets anybody pay without money, for development only: set it to xendit, or ALLOW_DEV_PROVIDERS=true to serve with it")
	}
	if cfg.PushProvider == "log" && !cfg.AllowDevProviders {
		mistakes = append(mistakes, "PUSH_PROVIDER log reaches no phone, for development only: set it to fcm, or ALLOW_DEV_PROVIDERS=true to serve without pushes")
	}
	if _, done, err := newPushSender(cfg.Push, slog.New(slog.DiscardHandler)); err != nil {
		mistakes = append(mistakes, err.Error())
	} else {
		done()
	}
	if cfg.TestRoutes && !isLoopback(cfg.InternalAddr) {
		mistakes = append(mistakes, "ENABLE_TEST_ROUTES makes users for anybody who reaches INTERNAL_ADDR: that must then be a loopback address such as 127.0.0.1:3001")
	}
	return mistakes
}

// isLoopback tells whether only this machine reaches the address. A name other than localhost may be anything.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

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
