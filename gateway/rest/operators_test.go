package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

const (
	rina     = "rina@example.com"
	password = "Korrekt-Pferd-7"
	console  = "https://console.example.com"
)

// office is a house with an operator, and a control center at its own origin.
func office(t *testing.T) *house {
	t.Helper()
	h := openWith(t, rest.Config{CCOrigin: console}, nil)
	h.hire()
	return h
}

// hire makes the operator, if there is none.
func (h *house) hire() {
	h.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(h.t, err)
	require.NoError(h.t, h.db.Seed().Operator(h.t.Context(), rina, string(hash)))
}

func (h *house) internally(method, path, body string, headers ...string) answer {
	h.t.Helper()
	return h.do(h.internal, method, path, body, headers...)
}

func (h *house) logIn(email, password string, headers ...string) answer {
	h.t.Helper()
	return h.internally("POST", "/internal/auth/login", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), headers...)
}

// cookie is the one that an answer sets.
func (a answer) cookie(t *testing.T) *http.Cookie {
	t.Helper()
	cookies := (&http.Response{Header: a.header}).Cookies()
	require.Len(t, cookies, 1)
	require.Equal(t, "bestie_refresh", cookies[0].Name)
	return cookies[0]
}

func carrying(c *http.Cookie) []string { return []string{"Cookie", c.Name + "=" + c.Value} }

func TestOperator_LogInRefreshLogOut(t *testing.T) {
	t.Parallel()
	h := office(t)
	in := h.logIn("Rina@EXAMPLE.com", password, "Origin", console).ok(t, 200)
	require.NotContains(t, in.text, "refresh_token")
	require.Contains(t, in.text, `"role":"admin"`)
	soon(t, in.body.AccessTokenExpiresAt)
	cookie := in.cookie(t)
	require.True(t, cookie.HttpOnly)
	require.True(t, cookie.Secure)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.Equal(t, "/internal/auth", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.InDelta(t, 12*3600, cookie.MaxAge, 60)
	require.NotContains(t, in.text, cookie.Value)

	me := h.internally("GET", "/internal/auth/me", "", bearer(in.body.AccessToken)...).ok(t, 200)
	require.Contains(t, me.text, `"email":"rina@example.com"`)
	h.get("/internal/auth/me", bearer(in.body.AccessToken)...).failed(t, 404, core.NotFound)

	next := h.internally("POST", "/internal/auth/refresh", "", append(carrying(cookie), "Origin", console)...).ok(t, 200)
	renewed := next.cookie(t)
	require.NotEqual(t, cookie.Value, renewed.Value)
	again := h.internally("POST", "/internal/auth/refresh", "", carrying(cookie)...).ok(t, 200)
	require.Equal(t, renewed.Value, again.cookie(t).Value, "two tabs get the same successor")

	out := h.internally("POST", "/internal/auth/logout", "", append(carrying(renewed), "Origin", console)...).ok(t, 204)
	require.Negative(t, out.cookie(t).MaxAge)
	h.internally("GET", "/internal/auth/me", "", bearer(next.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
	dead := h.internally("POST", "/internal/auth/refresh", "", carrying(renewed)...)
	dead.failed(t, 401, core.SessionRevoked)
	require.Negative(t, dead.cookie(t).MaxAge, "a cookie that is dead is cleared")
}

func TestOperator_LogOutByBearer(t *testing.T) {
	t.Parallel()
	h := office(t)
	in := h.logIn(rina, password).ok(t, 200)
	h.internally("POST", "/internal/auth/logout", "").failed(t, 401, core.Unauthenticated)
	h.internally("POST", "/internal/auth/logout", "", bearer(in.body.AccessToken)...).ok(t, 204)
	h.internally("GET", "/internal/auth/me", "", bearer(in.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
}

func TestOperator_APlainCookieInDevelopment(t *testing.T) {
	t.Parallel()
	h := openWith(t, rest.Config{PlainCookies: true}, nil)
	h.hire()
	cookie := h.logIn(rina, password).ok(t, 200).cookie(t)
	require.False(t, cookie.Secure)
	require.True(t, cookie.HttpOnly)
}

func TestOperator_ErrLogIn(t *testing.T) {
	t.Parallel()
	h := office(t)
	wrong := h.logIn(rina, "Wrong-Horse-1")
	wrong.failed(t, 401, core.Unauthenticated)
	nobody := h.logIn("nobody@example.com", password)
	nobody.failed(t, 401, core.Unauthenticated)
	require.Equal(t, wrong.body.Error.Message, nobody.body.Error.Message)
	require.Empty(t, wrong.header.Values("Set-Cookie"))
	h.logIn(rina, password+strings.Repeat("x", 73)).failed(t, 401, core.Unauthenticated)
	h.logIn(rina, strings.Repeat("🐘", 8)).failed(t, 401, core.Unauthenticated)
	h.logIn("rina", password).failed(t, 400, core.BadMessage)
	h.logIn(rina, "").failed(t, 400, core.BadMessage)
	h.internally("POST", "/internal/auth/login", `{"email":"a@b","password":"x","admin":true}`).failed(t, 400, core.UnknownField)
	h.internally("POST", "/internal/auth/login", `{"email":"a@b","email":"c@d","password":"x"}`).failed(t, 400, core.BadMessage)
	h.internally("POST", "/internal/auth/login", "email=a", "Content-Type", "application/x-www-form-urlencoded").failed(t, 415, core.UnsupportedMedia)
	pgtest.Exec(t, h.url, `update control_center_users set is_active = false`)
	h.logIn(rina, password).failed(t, 403, core.AccountInactive)
}

func TestOperator_Lockout(t *testing.T) {
	t.Parallel()
	h := office(t)
	var wrong, locked atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch a := h.logIn(rina, "Wrong-Horse-1"); a.body.Error.Code {
			case core.Unauthenticated:
				wrong.Add(1)
			case core.RateLimited:
				locked.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 5, wrong.Load())
	require.EqualValues(t, 15, locked.Load())
	out := h.logIn(rina, password)
	out.failed(t, 429, core.RateLimited)
	require.InDelta(t, 900, out.body.Error.RetryAfter, 30)
	pgtest.Exec(t, h.url, `update control_center_users set lockout_until = now()`)
	h.logIn(rina, password).ok(t, 200)
}

// One address may not try many accounts, either.
func TestOperator_LogInsAreLimitedByAddress(t *testing.T) {
	t.Parallel()
	h := office(t)
	for range 30 {
		h.logIn("not an address", "x").failed(t, 400, core.BadMessage)
	}
	h.logIn(rina, password).failed(t, 429, core.RateLimited)
}

// What a foreign page sends carries the cookie, if a browser lets it: it is refused before the cookie is looked at.
func TestOperator_ErrForeignPage(t *testing.T) {
	t.Parallel()
	h := office(t)
	cookie := h.logIn(rina, password).ok(t, 200).cookie(t)
	host := strings.TrimPrefix(h.internal.URL, "http://")
	for name, headers := range map[string][]string{
		"another origin":               {"Origin", "https://evil.example"},
		"null":                         {"Origin", "null"},
		"another scheme":               {"Origin", "http://console.example.com"},
		"another port":                 {"Origin", console + ":8443"},
		"a longer name":                {"Origin", console + ".evil.example"},
		"in another case":              {"Origin", strings.ToUpper(console)},
		"a path":                       {"Origin", console + "/"},
		"two":                          {"Origin", console, "Origin", console},
		"empty":                        {"Origin", ""},
		"no origin, and cross-site":    {"Sec-Fetch-Site", "cross-site"},
		"no origin, and a sister site": {"Sec-Fetch-Site", "same-site"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/internal/auth/refresh", "/internal/auth/logout"} {
				a := h.internally("POST", path, "", append(carrying(cookie), headers...)...)
				a.failed(t, 403, core.Forbidden)
				require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
			}
			h.logIn(rina, password, headers...).failed(t, 403, core.Forbidden)
		})
	}
	for _, headers := range [][]string{
		nil, {"Origin", console}, {"Origin", "http://" + host}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"},
	} {
		cookie = h.internally("POST", "/internal/auth/refresh", "", append(carrying(cookie), headers...)...).ok(t, 200).cookie(t)
	}
}

func TestOperator_ErrCookie(t *testing.T) {
	t.Parallel()
	h := office(t)
	cookie := h.logIn(rina, password).ok(t, 200).cookie(t)
	customer := h.signedIn()
	h.internally("POST", "/internal/auth/refresh", "").failed(t, 401, core.Unauthenticated)
	h.internally("POST", "/internal/auth/refresh", "", "Cookie", "bestie_refresh=nonsense").failed(t, 401, core.Unauthenticated)
	h.internally("POST", "/internal/auth/refresh", "", "Cookie", "bestie_refresh="+customer.body.RefreshToken).failed(t, 401, core.Unauthenticated)
	h.internally("POST", "/internal/auth/refresh", "", "Cookie", "bestie_refresh="+cookie.Value+"; bestie_refresh=planted").failed(t, 401, core.Unauthenticated)
	h.post("/api/shared/auth/refresh", fmt.Sprintf(`{"refresh_token":%q}`, cookie.Value)).failed(t, 401, core.Unauthenticated)
	cookie = h.internally("POST", "/internal/auth/refresh", "", carrying(cookie)...).ok(t, 200).cookie(t)
	pgtest.Exec(t, h.url, `update control_center_users set is_active = false`)
	out := h.internally("POST", "/internal/auth/refresh", "", carrying(cookie)...)
	out.failed(t, 403, core.AccountInactive)
	require.Negative(t, out.cookie(t).MaxAge)
}

func TestCORS(t *testing.T) {
	t.Parallel()
	h := office(t)
	preflight := func(origin string) answer {
		return h.internally("OPTIONS", "/internal/auth/me", "", "Origin", origin,
			"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization").ok(t, 204)
	}
	ours := preflight(console)
	require.Equal(t, console, ours.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", ours.header.Get("Access-Control-Allow-Credentials"))
	require.Contains(t, ours.header.Get("Access-Control-Allow-Methods"), "PATCH")
	require.Contains(t, ours.header.Get("Access-Control-Allow-Headers"), "Authorization")
	require.Contains(t, ours.header.Values("Vary"), "Origin")
	for _, origin := range []string{"https://evil.example", "null", "http://console.example.com", console + ".evil.example", console + ":1"} {
		theirs := preflight(origin)
		require.Empty(t, theirs.header.Get("Access-Control-Allow-Origin"), origin)
		require.Empty(t, theirs.header.Get("Access-Control-Allow-Credentials"), origin)
		require.Contains(t, theirs.header.Values("Vary"), "Origin")
	}
	in := h.logIn(rina, password).ok(t, 200)
	me := h.internally("GET", "/internal/auth/me", "", append(bearer(in.body.AccessToken), "Origin", console)...).ok(t, 200)
	require.Equal(t, console, me.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, me.header.Get("Access-Control-Expose-Headers"), "Retry-After")
	public := h.do(h.public, "OPTIONS", "/api/client/auth/me", "", "Origin", console, "Access-Control-Request-Method", "GET")
	require.Empty(t, public.header.Get("Access-Control-Allow-Origin"))
}

// A new role is in the next token, and the old token is no good: whoever changes it revokes.
func TestOperator_ErrNotOneOfUs(t *testing.T) {
	t.Parallel()
	h := office(t)
	customer := h.signedIn()
	h.internally("GET", "/internal/auth/me", "", bearer(customer.body.AccessToken)...).failed(t, 403, core.Forbidden)
	h.internally("GET", "/internal/auth/me", "").failed(t, 401, core.Unauthenticated)
	in := h.logIn(rina, password).ok(t, 200)
	h.get("/api/client/auth/me", bearer(in.body.AccessToken)...).failed(t, 403, core.Forbidden)
	require.NoError(t, h.service.RevokeAll(t.Context(), core.MustParseID[core.UserID](in.body.User.ID), "operator"))
	h.internally("GET", "/internal/auth/me", "", bearer(in.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
}
