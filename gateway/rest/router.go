// Package rest is what is not a socket: authentication, the little that apps ask once, and the internal routes of the
// control center and of operations.
//
// Two routers, never mixed: Public is for the apps, Internal for a private address. A request goes
//
//	request id ─► panics caught ─► access log ─► limit by address (public) ─► route ─► who is it ─► strict JSON ─► core ─► answer
//
// Handlers hold no rules: they read a body into a struct, call a port of ports.go, and write what comes back. An error of core becomes
// an answer in one place (respond.go), by one table from its code to a status; what has no code is logged once, with the
// request's id, and told as INTERNAL.
package rest

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/julienschmidt/httprouter"

	"github.com/halobestie/bestie-gateway/core"
)

// Config is what the environment decides.
type Config struct {
	PerIPPerMinute int            // REST_PER_IP_PER_MINUTE of the public routes; 0: 600
	TestRoutes     bool           // ENABLE_TEST_ROUTES: test routes answer, and loopback is not limited
	TrustedProxies []netip.Prefix // TRUSTED_PROXIES: whose X-Forwarded-For is believed
}

const defaultPerIPPerMinute = 600

// server is what both routers are made of. It is fixed after construction; its handlers may run concurrently.
type server struct {
	deps         Deps
	trusted      []netip.Prefix
	limiter      *limiter // nil: no limit
	freeLoopback bool
	clock        core.Clock
	log          *slog.Logger
}

// Public serves the apps: everything under /api, /healthz and /readyz. What belongs to the internal address is not there.
func Public(cfg Config, deps Deps, clock core.Clock, log *slog.Logger) http.Handler {
	perMinute := cfg.PerIPPerMinute
	if perMinute == 0 {
		perMinute = defaultPerIPPerMinute
	}
	s := &server{
		deps: deps, trusted: cfg.TrustedProxies, limiter: newLimiter(perMinute), freeLoopback: cfg.TestRoutes, clock: clock, log: log,
	}
	routes := s.router()
	routes.GET("/healthz", s.healthz)
	routes.GET("/readyz", s.readyz(false))

	routes.POST("/api/shared/auth/anonymous", s.signInAnonymous)
	routes.POST("/api/shared/auth/refresh", s.refresh)
	routes.POST("/api/shared/auth/logout", s.logout)
	for app, user := range map[string]core.UserType{"client": core.Customer, "mitra": core.Mitra} {
		routes.POST("/api/"+app+"/auth/otp/request", s.requestCode(user))
		routes.POST("/api/"+app+"/auth/otp/verify", s.verifyCode(user))
		routes.GET("/api/"+app+"/auth/me", s.by(s.me, user))
	}
	routes.GET("/api/client/packages", s.by(s.packages, core.Customer))
	return s.outermost(s.limited(routes))
}

// Internal serves operations and the control center. Its listener must be reachable from a private network only.
func Internal(cfg Config, deps Deps, clock core.Clock, log *slog.Logger) http.Handler {
	s := &server{deps: deps, trusted: cfg.TrustedProxies, clock: clock, log: log}
	routes := s.router()
	routes.GET("/healthz", s.healthz)
	routes.GET("/readyz", s.readyz(true))
	if deps.Metrics != nil {
		routes.Handler(http.MethodGet, "/metrics", deps.Metrics)
	}
	if cfg.TestRoutes && deps.TestAccounts != nil {
		routes.POST("/internal/_test/seed-mitra", s.seedMitra)
	}
	return s.outermost(routes)
}

// router is one without any of httprouter's own answers: no redirects, and errors in our form.
func (s *server) router() *httprouter.Router {
	routes := httprouter.New()
	routes.RedirectTrailingSlash = false
	routes.RedirectFixedPath = false
	routes.GlobalOPTIONS = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	routes.NotFound = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, core.Errorf(core.NotFound, "no such route"))
	})
	routes.MethodNotAllowed = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, core.Errorf(core.MethodNotAllowed, "the route takes %s", w.Header().Get("Allow")))
	})
	return routes
}
