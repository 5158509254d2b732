package rest_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// described is what the routes of this package promise; seen is what they have answered to its tests.
var (
	described = rest.Describe("test")
	seen      openapi.Seen
)

// neverSeen lists what is promised and no test has got. It has something to say only when all tests ran.
func neverSeen() []string {
	for _, narrowed := range []string{"test.run", "test.skip", "test.list"} {
		if flag.Lookup(narrowed).Value.String() != "" {
			return nil
		}
	}
	return slices.DeleteFunc(seen.Missing(described), func(answer string) bool {
		method, rest, _ := strings.Cut(answer, " ")
		path, what, _ := strings.Cut(rest, " ")
		switch what {
		case "INTERNAL": // a fault that nobody knows of: TestFailure_IsToldOnceAndKeepsItsSecrets
			return true
		case "OVERLOADED": // when hashing is; TestHashing_ErrOverloaded has that. The queue of codes is filled here
			return method+" "+path != "POST /api/mitra/auth/otp/request"
		case "UNAVAILABLE": // those that ask no store
			return path == "/healthz" || path == "/readyz"
		}
		return false
	})
}

// call is a request that one of the routes would answer well.
type call struct {
	method, path, body string
	headers            []string
	described          *openapi.Operation
}

func (c call) with(headers ...string) []string { return slices.Concat(c.headers, headers) }

// calls gives one of each route, the webhook's aside, which reads anything (TestWebhook).
func (h *house) calls() (all []call) {
	id := core.NewID[core.UserID]().String()
	secretless := id + "." + strings.Repeat("A", 43)
	bodies := map[string]string{
		"POST /api/shared/auth/refresh":     fmt.Sprintf(`{"refresh_token":%q}`, secretless),
		"POST /api/shared/auth/logout":      fmt.Sprintf(`{"refresh_token":%q}`, secretless),
		"POST /api/client/auth/otp/request": `{"phone":"081234567890"}`,
		"POST /api/mitra/auth/otp/request":  `{"phone":"081234567890"}`,
		"POST /api/client/auth/otp/verify":  fmt.Sprintf(`{"otp_request_id":%q,"code":"123456"}`, id),
		"POST /api/mitra/auth/otp/verify":   fmt.Sprintf(`{"otp_request_id":%q,"code":"123456"}`, id),
		"POST /api/client/auth/google":      fmt.Sprintf(`{"id_token":%q}`, h.vendor.google("budi")),
		"POST /api/client/auth/apple":       fmt.Sprintf(`{"id_token":%q}`, h.vendor.apple("budi", "")),
		"PATCH /api/client/auth/profile":    `{"display_name":"Budi"}`,
		"POST /api/client/payments":         fmt.Sprintf(`{"session_id":%q}`, id),
		"POST /internal/auth/login":         `{"email":"rina@example.com","password":"Korrekt-Pferd-7"}`,
		"POST /internal/_test/seed-mitra":   `{"phone":"081234567890","display_name":"Sri"}`,
	}
	for path, operations := range described.Paths {
		for method, operation := range operations {
			c := call{method: strings.ToUpper(method), path: strings.ReplaceAll(path, "{id}", id), described: operation}
			c.body = bodies[c.method+" "+path]
			if path == "/internal/auth/refresh" || path == "/internal/auth/logout" {
				c.headers = []string{"Cookie", "bestie_refresh=" + secretless}
			}
			if path != webhook {
				all = append(all, c)
			}
		}
	}
	return all
}

// sends sends a call to whichever address it is for.
func (h *house) sends(c call, body string, headers ...string) answer {
	h.t.Helper()
	server := h.public
	if strings.HasPrefix(c.path, "/internal/") {
		server = h.internal
	}
	return h.do(server, c.method, c.path, body, headers...)
}

// Every route that reads a body reads exactly its own.
func TestEveryRoute_Bodies(t *testing.T) {
	t.Parallel()
	h, _ := openTillWith(t, rest.Config{TestRoutes: true})
	tokens := h.tokens()
	for _, c := range h.calls() {
		if c.method == "GET" {
			continue
		}
		who := c.with(tokens[c.user()]...)
		h.sends(c, `{"no_such_field":1}`, who...).failed(t, 400, core.UnknownField)
		h.sends(c, `{"a":`, who...).refusedFor(t, core.BadMessage, core.UnknownField)
		h.sends(c, `[`, who...).failed(t, 400, core.BadMessage)
		h.sends(c, `{"a":"`+strings.Repeat("x", 70_000)+`"}`, who...).failed(t, 413, core.TooLarge)
		h.sends(c, `{}`, append(who, "Content-Type", "text/plain")...).failed(t, 415, core.UnsupportedMedia)
	}
}

func (a answer) refusedFor(t *testing.T, codes ...core.Code) {
	t.Helper()
	require.Equal(t, 400, a.status, a.text)
	require.Contains(t, codes, a.body.Error.Code)
}

// user is whose token a call takes; empty: nobody's is needed.
func (c call) user() core.UserType {
	switch {
	case len(c.described.Security) == 0:
		return ""
	case strings.HasPrefix(c.path, "/internal/"):
		return core.Operator
	case strings.HasPrefix(c.path, "/api/mitra/"):
		return core.Mitra
	}
	return core.Customer
}

// tokens gives an Authorization header of somebody of each kind.
func (h *house) tokens() map[core.UserType][]string {
	h.t.Helper()
	mitra, err := h.service.SeedMitra(h.t.Context(), "+6281200000001", "Sri", auth.Device{})
	require.NoError(h.t, err)
	h.hire()
	operator, err := h.service.LogIn(h.t.Context(), rina, password, auth.Device{})
	require.NoError(h.t, err)
	return map[core.UserType][]string{
		core.Customer: bearer(h.signedIn().body.AccessToken), core.Mitra: bearer(mitra.Access), core.Operator: bearer(operator.Access),
	}
}

// aged is a token as it will be when its hour is over.
func aged(t *testing.T, headers []string) []string {
	t.Helper()
	token, _, err := jwt.NewParser().ParseUnverified(strings.TrimPrefix(headers[1], "Bearer "), jwt.MapClaims{})
	require.NoError(t, err)
	token.Claims.(jwt.MapClaims)["exp"] = time.Now().Add(-time.Second).Unix()
	old, err := token.SignedString(secret)
	require.NoError(t, err)
	return bearer(old)
}

// Whoever is asked who they are is believed only with a good token of the right kind; routes that may be called with a token do not
// take a bad one for none.
func TestEveryRoute_Tokens(t *testing.T) {
	t.Parallel()
	h, _ := openTillWith(t, rest.Config{TestRoutes: true})
	tokens, over := h.tokens(), h.tokens()
	for _, headers := range over {
		who, err := h.service.Verify(strings.TrimPrefix(headers[1], "Bearer "))
		require.NoError(t, err)
		require.NoError(t, h.service.Logout(t.Context(), who))
	}
	for _, c := range h.calls() {
		user := c.user()
		switch optional := c.described.Responses["401"] != nil; {
		case user != "":
			h.sends(c, c.body).failed(t, 401, core.Unauthenticated)
			stranger := core.Operator
			if user == core.Operator {
				stranger = core.Mitra
			}
			h.sends(c, c.body, tokens[stranger]...).failed(t, 403, core.Forbidden)
		case !optional || strings.HasSuffix(c.path, "/login") || strings.HasSuffix(c.path, "/refresh") || c.path == "/api/mitra/auth/otp/verify":
			continue // takes no token
		default:
			user = core.Customer
			c.headers = nil // a cookie would go before it
		}
		h.sends(c, c.body, c.with("Authorization", "Bearer nonsense")...).failed(t, 401, core.Unauthenticated)
		h.sends(c, c.body, c.with(aged(t, tokens[user])...)...).failed(t, 401, core.TokenExpired)
		h.sends(c, c.body, c.with(over[user]...)...).failed(t, 401, core.SessionRevoked)
	}
}

func TestEveryRoute_RateLimit(t *testing.T) {
	t.Parallel()
	h, _ := openTillWith(t, rest.Config{PerIPPerMinute: 1})
	h.get("/healthz").ok(t, 200)
	h.get("/api/client/packages").failed(t, 401, core.Unauthenticated)
	for _, c := range h.calls() {
		if !strings.HasPrefix(c.path, "/internal/") {
			h.sends(c, c.body).failed(t, 429, core.RateLimited)
		}
	}
}

// A store that is out is UNAVAILABLE to every route that needs it, and no fault of ours.
func TestEveryRoute_ErrUnavailable(t *testing.T) {
	t.Parallel()
	h, p := openTillWith(t, rest.Config{TestRoutes: true})
	tokens := h.tokens()
	calls := h.calls()
	h.db.Close()
	p.fails(core.Errorf(core.Unavailable, "out"))
	for _, c := range calls {
		if c.path == "/healthz" || c.path == "/readyz" {
			h.sends(c, "").ok(t, 200)
			continue
		}
		h.sends(c, c.body, c.with(tokens[c.user()]...)...).failed(t, 503, core.Unavailable)
	}
}

// An account can be gone before its access token is, and before anybody has heard of that.
func TestEveryRoute_ErrAccountGone(t *testing.T) {
	t.Parallel()
	h := open(t)
	tokens := h.tokens()
	id, code := h.asked("client", phone)
	for _, table := range []string{"mitras", "customers", "control_center_users"} {
		pgtest.Exec(t, h.url, `delete from `+table)
	}
	gone := tokens[core.Customer]
	h.get("/api/client/auth/me", gone...).failed(t, 404, core.NotFound)
	h.get("/api/client/auth/me/export", gone...).failed(t, 404, core.NotFound)
	h.do(h.public, "PATCH", "/api/client/auth/profile", `{"display_name":"Budi"}`, gone...).failed(t, 404, core.NotFound)
	h.do(h.public, "DELETE", "/api/client/auth/me", "", gone...).failed(t, 404, core.NotFound)
	h.post("/api/client/auth/otp/verify", fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code), gone...).failed(t, 404, core.NotFound)
	h.google("budi", gone...).failed(t, 404, core.NotFound)
	h.apple("budi", gone...).failed(t, 404, core.NotFound)
	h.get("/api/mitra/auth/me", tokens[core.Mitra]...).failed(t, 404, core.NotFound)
	h.internally("GET", "/internal/auth/me", "", tokens[core.Operator]...).failed(t, 404, core.NotFound)
}

func report(missing []string) int {
	for _, answer := range missing {
		fmt.Fprintln(os.Stderr, "described, and never seen:", answer)
	}
	return min(1, len(missing))
}
