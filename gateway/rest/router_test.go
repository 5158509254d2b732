package rest_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestPackages(t *testing.T) {
	t.Parallel()
	h := open(t)
	require.NoError(t, h.db.Seed().Packages(t.Context()))
	token := bearer(h.signedIn().body.AccessToken)
	listed := h.get("/api/client/packages", token...).ok(t, 200)
	require.NotEmpty(t, listed.body.Items)
	for _, name := range []string{"id", "name", "duration_minutes", "price"} {
		require.Contains(t, listed.body.Items[0], name)
	}
	require.Zero(t, listed.body.Items[0]["price"], "one is free")
	h.get("/api/client/packages").failed(t, 401, core.Unauthenticated)

	pgtest.Exec(t, h.url, `update session_packages set is_active = false`)
	require.JSONEq(t, `{"items":[]}`, h.get("/api/client/packages", token...).text)
}

func TestSeedMitra(t *testing.T) {
	t.Parallel()
	h := open(t)
	seed := func(body string) answer { return h.do(h.internal, "POST", "/internal/_test/seed-mitra", body) }
	first := seed(`{"phone":"0812-3456-7890","display_name":"Sri"}`).ok(t, 200)
	require.Equal(t, phone, first.body.Mitra.Phone)
	again := seed(`{"phone":"+6281234567890","display_name":"Dewi"}`).ok(t, 200)
	require.Equal(t, first.body.Mitra.ID, again.body.Mitra.ID)
	require.Equal(t, "Dewi", again.body.Mitra.DisplayName)
	h.get("/api/mitra/auth/me", bearer(again.body.AccessToken)...).ok(t, 200)
	h.refresh(again.body.RefreshToken).ok(t, 200)

	require.Equal(t, "phone", seed(`{"phone":"021555","display_name":"Sri"}`).body.Error.Field)
	require.Equal(t, "display_name", seed(`{"phone":"081234567890"}`).body.Error.Field)
	pgtest.Exec(t, h.url, `update mitras set is_test = false`)
	seed(`{"phone":"081234567890","display_name":"Sri"}`).failed(t, 409, core.Conflict)
}

func TestSeedMitra_ErrOff(t *testing.T) {
	t.Parallel()
	h := openWith(t, rest.Config{}, nil)
	h.do(h.internal, "POST", "/internal/_test/seed-mitra", `{"phone":"081234567890","display_name":"Sri"}`).failed(t, 404, core.NotFound)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	h := open(t)
	require.JSONEq(t, `{"status":"ok"}`, h.get("/healthz").ok(t, 200).text)
	h.readiness.mu.Lock()
	h.readiness.ready = rest.Ready{OK: true, Parts: []rest.Part{{Name: "valkey", Detail: "breaker open"}}}
	h.readiness.mu.Unlock()
	require.JSONEq(t, `{"status":"degraded"}`, h.get("/readyz").ok(t, 200).text, "the public learns no reasons")
	require.JSONEq(t, `{"status":"degraded","parts":[{"name":"valkey","ok":false,"detail":"breaker open"}]}`, h.do(h.internal, "GET", "/readyz", "").ok(t, 200).text)
	h.readiness.mu.Lock()
	h.readiness.ready.OK = false
	h.readiness.mu.Unlock()
	require.JSONEq(t, `{"status":"not ready"}`, h.get("/readyz").ok(t, 503).text)
	h.do(h.internal, "GET", "/readyz", "").ok(t, 503)
	require.Equal(t, "bestie_up 1\n", h.do(h.internal, "GET", "/metrics", "").ok(t, 200).text)
}

func TestRoutes_WhatIsNotThere(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, path := range []string{
		"/", "/internal", "/internal/", "/internal/_test/seed-mitra", "/internal/readyz", "/internal/dashboard", "/metrics", "/console", "/console/", "/console/index.html",
		"//metrics", "/./metrics", "/API/client/auth/me", "/api/client/auth/me/", "/api", "/debug/pprof/", "/ws",
		"/api/../internal/_test/seed-mitra", "/%2e%2e/metrics", "/healthz/", "/%00", "/metrics%2f",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			h.do(h.public, method, path, "").failed(t, 404, core.NotFound)
		}
	}
	h.do(h.internal, "GET", "/api/client/packages", "").failed(t, 404, core.NotFound)
}

func TestRoutes_ErrMethod(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, method := range []string{"GET", "PUT", "DELETE", "TRACE", "BREW"} {
		refused := h.do(h.public, method, "/api/shared/auth/refresh", "")
		refused.failed(t, 405, core.MethodNotAllowed)
		require.Equal(t, "OPTIONS, POST", refused.header.Get("Allow"))
	}
	asked := h.do(h.public, "OPTIONS", "/api/shared/auth/refresh", "").ok(t, http.StatusNoContent)
	require.Equal(t, "OPTIONS, POST", asked.header.Get("Allow"))
	h.do(h.public, "OPTIONS", "/metrics", "").failed(t, 404, core.NotFound)
}

func TestJSON_Refused(t *testing.T) {
	t.Parallel()
	h := open(t)
	const path = "/api/client/auth/otp/request"
	for name, c := range map[string]struct {
		body   string
		status int
		code   core.Code
		field  string
	}{
		"unknown field":             {`{"phone":"0","admin":true}`, 400, core.UnknownField, "admin"},
		"a field in another case":   {`{"Phone":"0"}`, 400, core.UnknownField, "Phone"},
		"a field twice":             {`{"phone":"081234567890","phone":"081299998888"}`, 400, core.BadMessage, "phone"},
		"a field twice, escaped":    {`{"phone":"081234567890","\u0070hone":"081299998888"}`, 400, core.BadMessage, "phone"},
		"a number":                  {`{"phone":81234567890}`, 400, core.BadMessage, "phone"},
		"an object":                 {`{"phone":{"a":1}}`, 400, core.BadMessage, "phone"},
		"null":                      {`{"phone":null}`, 400, core.BadMessage, "phone"},
		"missing":                   {`{}`, 400, core.BadMessage, "phone"},
		"no object":                 {`["phone"]`, 400, core.BadMessage, ""},
		"a string":                  {`"phone"`, 400, core.BadMessage, ""},
		"only null":                 {`null`, 400, core.BadMessage, "phone"},
		"something behind":          {`{"phone":"081234567890"}{}`, 400, core.BadMessage, ""},
		"garbage behind":            {`{"phone":"081234567890"}x`, 400, core.BadMessage, ""},
		"cut off":                   {`{"phone":"0812345`, 400, core.BadMessage, ""},
		"a comment":                 {`{/**/"phone":"081234567890"}`, 400, core.BadMessage, ""},
		"a trailing comma":          {`{"phone":"081234567890",}`, 400, core.BadMessage, ""},
		"not JSON":                  {`phone=081234567890`, 400, core.BadMessage, ""},
		"white space":               {`   `, 400, core.BadMessage, ""},
		"not UTF-8":                 {"{\"phone\":\"\xff\"}", 400, core.BadMessage, ""},
		"NUL":                       {"{\"phone\":\"\x00\"}", 400, core.BadMessage, ""},
		"NUL, escaped":              {`{"phone":"\u0000"}`, 400, core.BadMessage, "phone"},
		"NUL in a name":             {`{"\u0000":"1"}`, 400, core.BadMessage, ""},
		"deep arrays":               {strings.Repeat("[", 20_000), 400, core.BadMessage, ""},
		"deep objects":              {strings.Repeat(`{"phone":`, 6000), 400, core.BadMessage, "phone.phone"},
		"arrays in the field":       {`{"phone":` + strings.Repeat("[", 100), 400, core.BadMessage, ""},
		"a huge number":             {`{"phone":1e999999}`, 400, core.BadMessage, "phone"},
		"over 64 KiB":               {`{"phone":"` + strings.Repeat("0", 64<<10) + `"}`, 413, core.TooLarge, ""},
		"as long as may be, though": {`{"phone":"` + strings.Repeat("0", 64<<10-12) + `"}`, 400, core.BadMessage, "phone"},
	} {
		t.Run(name, func(t *testing.T) {
			refused := h.post(path, c.body)
			refused.failed(t, c.status, c.code)
			if name == "deep objects" { // nested where no struct is: only the depth stops it
				return
			}
			require.Equal(t, c.field, refused.body.Error.Field, refused.text)
		})
	}
	h.post(path, "").failed(t, 400, core.BadMessage)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "multipart/form-data", "application/json-patch+json", ";;"} {
		h.post(path, `{"phone":"0"}`, "Content-Type", kind).failed(t, 415, core.UnsupportedMedia)
		h.post("/api/shared/auth/anonymous", `{}`, "Content-Type", kind).failed(t, 415, core.UnsupportedMedia)
	}
	for _, encoding := range []string{"gzip", "br", "identity, gzip"} {
		h.post(path, `{"phone":"0"}`, "Content-Encoding", encoding).failed(t, 415, core.UnsupportedMedia)
	}
	for _, kind := range []string{"application/json; charset=UTF-8", "Application/JSON"} {
		h.post(path, `{"phone":"0"}`, "Content-Type", kind).failed(t, 400, core.BadMessage)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	h := open(t)
	require.Equal(t, "abc-1.2_3", h.get("/nowhere", "X-Request-Id", "abc-1.2_3").body.Error.RequestID)
	for _, given := range []string{"", "with space", strings.Repeat("x", 65), `"><script>`, "é"} {
		own := h.get("/nowhere", "X-Request-Id", given).body.Error.RequestID
		require.NotEqual(t, given, own)
		require.GreaterOrEqual(t, len(own), 26)
	}
}

// broken fails in the way a test says.
type broken struct {
	rest.SignIn
	err error
}

func (b broken) SignInAnonymous(context.Context, auth.Device) (auth.Tokens, error) {
	if b.err == nil {
		panic("the roof is on fire")
	}
	return auth.Tokens{}, b.err
}

func TestFailure_IsToldOnceAndKeepsItsSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		code   core.Code
	}{
		"a panic":             {nil, 500, core.Internal},
		"an error of no code": {errors.New("password=hunter2: the roof is on fire"), 500, core.Internal},
		"a store out":         {core.Wrap(core.Unavailable, errors.New("the roof is on fire")), 503, core.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := openWith(t, rest.Config{}, func(d *rest.Deps) { d.SignIn = broken{err: c.err} })
			failed := h.post("/api/shared/auth/anonymous", "")
			failed.failed(t, c.status, c.code)
			require.NotContains(t, failed.text, "roof")
			require.NotContains(t, failed.text, "hunter2")
			h.public.Close() // so that the log is written
			require.Equal(t, 1, strings.Count(h.log.String(), "roof is on fire"), h.log.String())
			require.Contains(t, h.log.String(), "request_id="+failed.body.Error.RequestID)
			require.Contains(t, h.log.String(), "status="+strconv.Itoa(c.status))
		})
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	h := openWith(t, rest.Config{PerIPPerMinute: 5, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}, nil)
	from := func(forwarded ...string) answer {
		var headers []string
		for _, f := range forwarded {
			headers = append(headers, "X-Forwarded-For", f)
		}
		return h.get("/healthz", headers...)
	}
	for range 5 {
		from("203.0.113.9").ok(t, 200)
	}
	limited := from("203.0.113.9")
	limited.failed(t, 429, core.RateLimited)
	require.InDelta(t, 12, limited.body.Error.RetryAfter, 1)
	require.NotEmpty(t, limited.header.Get("Retry-After"))
	from("8.8.8.8, 203.0.113.9").failed(t, 429, core.RateLimited)             // what the client claims itself
	from("8.8.8.8", "203.0.113.9, 10.1.2.3").failed(t, 429, core.RateLimited) // through two proxies
	from("::ffff:203.0.113.9").failed(t, 429, core.RateLimited)
	from("203.0.113.10").ok(t, 200)
	for i := range 5 {
		from(fmt.Sprintf("2001:db8:1:2::%x", i+1)).ok(t, 200)
	}
	from("2001:db8:1:2:ffff::1").failed(t, 429, core.RateLimited)
	from("2001:db8:1:3::1").ok(t, 200)
	for range 5 {
		from("nonsense").ok(t, 200) // counts as the proxy's own
	}
	from().failed(t, 429, core.RateLimited)
	h.do(h.internal, "GET", "/readyz", "").ok(t, 200)
}

func TestRateLimit_HeadersOfStrangersDoNotCount(t *testing.T) {
	t.Parallel()
	h := openWith(t, rest.Config{PerIPPerMinute: 5}, nil)
	for i := range 5 {
		h.get("/healthz", "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i)).ok(t, 200)
	}
	h.get("/healthz", "X-Forwarded-For", "203.0.113.99").failed(t, 429, core.RateLimited)
}

func TestRateLimit_LoopbackIsFreeWithTheTestRoutes(t *testing.T) {
	t.Parallel()
	h := openWith(t, rest.Config{PerIPPerMinute: 5, TestRoutes: true}, nil)
	for range 20 {
		h.get("/healthz").ok(t, 200)
	}
}

func TestRateLimit_FillsUpAgain(t *testing.T) {
	t.Parallel()
	now := time.Now()
	handler := rest.Public(rest.Config{PerIPPerMinute: 60}, rest.Deps{}, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	get := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		return w.Code
	}
	for range 60 {
		require.Equal(t, 200, get())
	}
	require.Equal(t, 429, get())
	now = now.Add(time.Second)
	require.Equal(t, 200, get())
	require.Equal(t, 429, get())
}

// TestErrorTable holds every code of core against the one table: none may fall through to 500 but INTERNAL.
func TestErrorTable(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../core/error.go", nil, 0)
	require.NoError(t, err)
	codes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING || !strings.HasPrefix(literal.Value, `"`) {
			return true
		}
		code, err := strconv.Unquote(literal.Value)
		if err != nil || code != strings.ToUpper(code) || len(code) < 4 {
			return true
		}
		codes++
		handler := rest.Public(rest.Config{}, rest.Deps{SignIn: broken{err: core.Errorf(core.Code(code), "told")}}, core.SystemClock, slog.New(slog.DiscardHandler))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/shared/auth/anonymous", nil))
		require.Equal(t, code == string(core.Internal), w.Code == 500, code)
		require.Contains(t, w.Body.String(), `"code":"`+code+`"`)
		return true
	})
	require.Greater(t, codes, 30)
}
