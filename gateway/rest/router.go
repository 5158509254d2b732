// Package rest is what is not a socket: authentication, the little that apps ask once, and the internal routes of the
// control center and of operations.
//
// Two routers, never mixed: Public is for the apps, Internal for a private address. A request goes
//
//	request id ─► panics caught ─► access log ─► limit by address (public) ─► route ─► who is it ─► strict input ─► core ─► answer
//
// Both are made from tables of routes, and so is their OpenAPI description (Describe): a line of a table says who may take the
// route, and its handler's own types say what it takes and gives (On). Handlers hold no rules: they turn an input into a call of
// a port of ports.go, and what comes back into an answer. An error of core becomes an answer in one place (respond.go), by one
// table from its code to a status; what has no code is logged once, with the request's id, and told as INTERNAL.
package rest

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"

	"github.com/julienschmidt/httprouter"

	"github.com/halobestie/bestie-gateway/core"
)

// Config is what the environment decides.
type Config struct {
	PerIPPerMinute      int            // REST_PER_IP_PER_MINUTE of the public routes; 0: 600
	PerAccountPerMinute int            // REST_PER_ACCOUNT_PER_MINUTE; 0: 300
	TestRoutes          bool           // ENABLE_TEST_ROUTES: test routes answer, and loopback is not limited
	TrustedProxies      []netip.Prefix // TRUSTED_PROXIES: whose X-Forwarded-For is believed
	CCOrigin            string         // CC_ORIGIN: the control center's; empty: only pages of the internal address itself
	PlainCookies        bool           // for development: the operators' cookie also travels without TLS
}

const (
	defaultPerIPPerMinute      = 600
	defaultPerAccountPerMinute = 300
	logInsPerMinute            = 30 // of an address; a lockout counts for one account, this for one who tries many
)

// server is what both routers are made of. It is fixed after construction; its handlers may run concurrently.
type server struct {
	deps         Deps
	trusted      []netip.Prefix
	addresses    *limiter // of requests by address; nil: no limit, as for those below
	probes       *limiter // of healthz and readyz, by address
	accounts     *limiter // of requests with a token, by account
	logIns       *limiter // of operators, by address
	freeLoopback bool
	ccOrigin     string
	plainCookies bool
	clock        core.Clock
	log          *slog.Logger
}

func newServer(cfg Config, deps Deps, clock core.Clock, log *slog.Logger) *server {
	return &server{
		deps: deps, trusted: cfg.TrustedProxies, freeLoopback: cfg.TestRoutes, clock: clock, log: log,
		ccOrigin: cfg.CCOrigin, plainCookies: cfg.PlainCookies,
	}
}

// Public serves the apps: everything under /api, /healthz and /readyz. What belongs to the internal address is not there.
func Public(cfg Config, deps Deps, clock core.Clock, log *slog.Logger) http.Handler {
	s := newServer(cfg, deps, clock, log)
	perMinute := cmp.Or(cfg.PerIPPerMinute, defaultPerIPPerMinute)
	s.addresses, s.probes = newLimiter(perMinute, deps.Limits), newLimiter(perMinute, nil)
	s.accounts = newLimiter(cmp.Or(cfg.PerAccountPerMinute, defaultPerAccountPerMinute), deps.Limits)
	router := s.router()
	s.mount(router, s.publicRoutes())
	if deps.Checkout != nil {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			router.Handler(method, "/sandbox/checkout/*id", deps.Checkout)
		}
	}
	return s.outermost(s.limited(router))
}

func (s *server) publicRoutes() []Route {
	routes := append(s.customerRoutes(),
		On("GET", "/healthz", Anybody, "Whether the process is alive", s.healthz),
		On("GET", "/readyz", Anybody, "Whether the instance should get traffic", s.readyz(false)).May(http.StatusServiceUnavailable),
		On("POST", "/api/shared/auth/anonymous", Anybody, "Make an anonymous customer and sign it in", s.signInAnonymous, core.Overloaded).Creates(),
		On("POST", "/api/shared/auth/refresh", Anybody, "Change a refresh token for its successor", s.refresh,
			core.Unauthenticated, core.SessionRevoked, core.AccountInactive, core.Overloaded),
		On("POST", "/api/shared/auth/logout", Anybody, "End the auth session", s.logout,
			core.Unauthenticated, core.SessionRevoked, core.TokenExpired, core.Overloaded),
		On("GET", "/api/client/packages", Customers, "What can be bought", s.packages),
	)
	return slices.Concat(routes, s.phoneRoutes(), s.paymentRoutes())
}

func (s *server) phoneRoutes() []Route {
	const client, mitra = "/api/client/auth", "/api/mitra/auth"
	code := []core.Code{core.CodeMismatch, core.OTPExpired, core.OTPUsed, core.AttemptsExceeded, core.WrongFlow, core.Overloaded}
	return []Route{
		On("POST", client+"/otp/request", Anybody, "Ask for a phone code", s.requestCode(core.Customer), core.ResendCooldown, core.AttemptsExceeded),
		On("POST", mitra+"/otp/request", Anybody, "Ask for a phone code", s.requestCode(core.Mitra), core.ResendCooldown, core.Overloaded),
		On("POST", client+"/otp/verify", Anybody, "Sign in by a phone code, or link the phone to the account of the Bearer token",
			s.verifyCode(core.Customer), append(linking(), code...)...),
		On("POST", mitra+"/otp/verify", Anybody, "Sign in by a phone code", s.verifyCode(core.Mitra), append(code, core.AccountInactive)...),
		On("GET", client+"/me", Customers, "Who one is", s.me, core.NotFound),
		On("GET", mitra+"/me", Mitras, "Who one is", s.me, core.NotFound),
	}
}

// Internal serves operations and the control center, whose routes are given as a table of their own. Its listener must be reachable
// from a private network only.
func Internal(cfg Config, deps Deps, clock core.Clock, log *slog.Logger, console ...Route) http.Handler {
	s := newServer(cfg, deps, clock, log)
	s.logIns = newLimiter(logInsPerMinute, deps.Limits)
	router := s.router()
	s.mount(router, s.internalRoutes())
	s.mount(router, console)
	if deps.Metrics != nil {
		router.Handler(http.MethodGet, "/metrics", deps.Metrics)
	}
	if deps.Description != nil {
		router.Handler(http.MethodGet, "/internal/openapi.json", s.description(deps.Description))
	}
	if cfg.TestRoutes && deps.TestAccounts != nil {
		s.mount(router, s.testRoutes())
	}
	return s.outermost(s.cors(router))
}

func (s *server) internalRoutes() []Route {
	return append(s.operatorRoutes(),
		On("GET", "/healthz", Anybody, "Whether the process is alive", s.healthz),
		On("GET", "/readyz", Anybody, "Whether the instance should get traffic, with the reasons", s.readyz(true)).May(http.StatusServiceUnavailable),
	)
}

func (s *server) testRoutes() []Route {
	return []Route{
		On("POST", "/internal/_test/seed-mitra", Anybody, "Make a mitra for a test and sign it in; only with ENABLE_TEST_ROUTES",
			s.seedMitra, core.Conflict, core.NotFound, core.Overloaded),
	}
}

// description serves the OpenAPI document. It says nothing that is not in the source, so it asks for no token.
func (s *server) description(text []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, http.StatusOK, json.RawMessage(text))
	})
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
