package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// Every route answers as it is described; that none was forgotten is asked at the end.
func TestEveryRoute_AnswersAsDescribed(t *testing.T) {
	t.Parallel()
	h := open(t)
	session, customer, mitra := h.talk()

	user := h.as(h.boss, "POST", "/internal/control-center-users",
		`{"email":" Dewi@Halo.test ","display_name":"Dewi","role":"operator","password":"Kata sandi 9x"}`).ok(http.StatusCreated)
	require.Equal(t, "dewi@halo.test", user["email"])
	users := "/internal/control-center-users/" + user["id"].(string)
	require.Len(t, h.as(h.boss, "GET", "/internal/control-center-users", "").items(), 3)
	require.Equal(t, "admin", h.as(h.boss, "PATCH", users, `{"role":"admin"}`).ok(http.StatusOK)["role"])
	h.as(h.boss, "PUT", users+"/password", `{"password":"Kata sandi 8y"}`).ok(http.StatusNoContent)
	require.Equal(t, 0.0, h.as(h.boss, "DELETE", users+"/sessions", "").ok(http.StatusOK)["revoked"])

	made := h.mitra("081234567890", "Ayu")
	require.Len(t, h.as(h.ani, "GET", "/internal/mitras", "").items(), 2)
	require.Equal(t, "+6281234567890", h.as(h.ani, "GET", "/internal/mitras/"+made, "").ok(http.StatusOK)["phone"])
	require.Equal(t, 4.0, h.as(h.ani, "PATCH", "/internal/mitras/"+made, `{"max_capacity":4}`).ok(http.StatusOK)["max_capacity"])
	require.Equal(t, "offline", h.as(h.ani, "POST", "/internal/mitras/"+mitra+"/offline", "").ok(http.StatusOK)["mode"])
	require.Len(t, h.as(h.ani, "GET", "/internal/mitras/"+mitra+"/logs", "").items(), 1)
	h.as(h.ani, "DELETE", "/internal/mitras/"+mitra+"/sessions", "").ok(http.StatusOK)

	require.Len(t, h.as(h.ani, "GET", "/internal/customers", "").items(), 1)
	require.Equal(t, "Budi", h.as(h.ani, "GET", "/internal/customers/"+customer, "").ok(http.StatusOK)["display_name"])
	h.as(h.ani, "DELETE", "/internal/customers/"+customer+"/sessions", "").ok(http.StatusOK)

	require.Len(t, h.as(h.ani, "GET", "/internal/sessions?status=active&mitra_id="+mitra, "").items(), 1)
	story := h.as(h.ani, "GET", "/internal/sessions/"+session, "").ok(http.StatusOK)
	for _, part := range []string{"events", "waves", "offers"} {
		require.Len(t, story[part], 1, part)
	}
	require.Equal(t, "operator", h.as(h.ani, "POST", "/internal/sessions/"+session+"/end", `{"note":"asked for"}`).ok(http.StatusOK)["end_reason"])
	h.as(h.ani, "PATCH", "/internal/mitras/"+mitra+"/status", `{"is_active":false}`).ok(http.StatusOK)

	require.Len(t, h.as(h.ani, "GET", "/internal/config", "").items(), len(core.SettingsTable))
	require.Equal(t, 9.0, h.as(h.boss, "PUT", "/internal/config/pairing_wave_size", `{"value":9}`).ok(http.StatusOK)["value"])
	pack := h.as(h.ani, "POST", "/internal/packages", `{"name":"Malam","duration_minutes":30,"price":45000}`).ok(http.StatusCreated)
	require.Equal(t, true, pack["is_active"])
	h.as(h.ani, "PATCH", "/internal/packages/"+pack["id"].(string), `{"is_active":false}`).ok(http.StatusOK)
	require.Len(t, h.as(h.ani, "GET", "/internal/packages", "").items(), 2)

	require.Equal(t, 6.0, h.as(h.ani, "GET", "/internal/dashboard", "").ok(http.StatusOK)["sockets"])
	require.Len(t, h.as(h.ani, "GET", "/internal/instances", "").items(), 2)
	h.money()
	require.NotEmpty(t, h.as(h.ani, "GET", "/internal/audit-logs", "").items())
	h.everyRouteHasAnswered()
}

func (h *house) everyRouteHasAnswered() {
	h.t.Helper()
	for path, operations := range h.described.Paths {
		if !strings.HasPrefix(path, "/internal/") || strings.HasPrefix(path, "/internal/auth/") || strings.HasPrefix(path, "/internal/_test/") {
			continue // those are tested where they are
		}
		for method := range operations {
			require.True(h.t, h.answered[strings.ToUpper(method)+" "+path], "%s %s was never answered well", method, path)
		}
	}
}

var parameter = regexp.MustCompile(`\{[a-z_]+\}`)

// Nobody without a token, with somebody else's, or with one that is over comes in anywhere.
func TestEveryRoute_WantsAnOperator(t *testing.T) {
	t.Parallel()
	h := open(t)
	gone := h.operator("gone@halo.test", core.Admin)
	require.NoError(t, h.auth.RevokeAll(t.Context(), core.UserID(gone.id), "logout"))
	for _, r := range h.routes() {
		path := parameter.ReplaceAllString(r.path, core.NewID[core.UserID]().String())
		h.do(r.method, path, "").failed(http.StatusUnauthorized, core.Unauthenticated, "")
		h.do(r.method, path, "", "Authorization", "Bearer x").failed(http.StatusUnauthorized, core.Unauthenticated, "")
		h.as(gone, r.method, path, "").failed(http.StatusUnauthorized, core.SessionRevoked, "")
	}
}

type route struct{ method, path string }

// routes are the control center's.
func (h *house) routes() (all []route) {
	for path, operations := range h.described.Paths {
		for method, operation := range operations {
			if strings.HasPrefix(path, "/internal/") && len(operation.Security) > 0 && !strings.HasPrefix(path, "/internal/auth/") {
				all = append(all, route{strings.ToUpper(method), path})
			}
		}
	}
	return all
}

func TestRoles_UsersAndConfigAreForAdmins(t *testing.T) {
	t.Parallel()
	h := open(t)
	boss := "/internal/control-center-users/" + h.boss.id.String()
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/internal/control-center-users", ""},
		{"POST", "/internal/control-center-users", `{}`},
		{"PATCH", boss, `{}`},
		{"PATCH", "/internal/control-center-users/me", `{"role":"admin"}`},
		{"PUT", boss + "/password", `{"password":"Kata sandi 9x"}`},
		{"DELETE", boss + "/sessions", ""},
		{"PUT", "/internal/config/pairing_wave_size", `{"value":9}`},
	} {
		h.as(h.ani, r.method, r.path, r.body).failed(http.StatusForbidden, core.Forbidden, "")
	}
}

// The rule for ids: what is no UUID is BAD_MESSAGE naming it; a UUID of nothing is NOT_FOUND.
func TestEveryRoute_IDs(t *testing.T) {
	t.Parallel()
	h := open(t)
	bodies := map[string]string{
		"PATCH /internal/mitras/{id}/status":               `{"is_active":true}`,
		"PUT /internal/control-center-users/{id}/password": `{"password":"Kata sandi 9x"}`,
		"PATCH /internal/control-center-users/{id}":        `{"display_name":"X"}`,
		"PATCH /internal/mitras/{id}":                      `{"display_name":"X"}`,
		"PATCH /internal/packages/{id}":                    `{"name":"X"}`,
		"POST /internal/customers/{id}/credits":            `{"amount":1}`,
	}
	tried := 0
	for _, r := range h.routes() {
		if !strings.Contains(r.path, "{id}") {
			continue
		}
		tried++
		body := bodies[r.method+" "+r.path]
		for _, bad := range []string{
			"1", "null", "%00", "{id}", "01980000-0000-7000-8000-00000000000", "01980000-0000-7000-8000-00000000000g", "0198000000007000800000000000000f",
			"%7B01980000-0000-7000-8000-000000000001%7D", "01980000-0000-7000-8000-000000000001%20", "'%20or%201=1", strings.Repeat("a", 4000),
		} {
			h.as(h.boss, r.method, strings.Replace(r.path, "{id}", bad, 1), body).failed(http.StatusBadRequest, core.BadMessage, "id")
		}
		h.as(h.boss, r.method, strings.Replace(r.path, "{id}", core.NewID[core.UserID]().String(), 1), body).failed(http.StatusNotFound, core.NotFound, "")
	}
	require.GreaterOrEqual(t, tried, 12)
}

// Every route with a body refuses what is not exactly its own.
func TestEveryBody_IsStrict(t *testing.T) {
	t.Parallel()
	h := open(t)
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	many := `{"display_name":[` + strings.Repeat("[],", 20_000) + `[]]}`
	wide := strings.Repeat("x", 70_000)
	for _, r := range h.routes() {
		operation := h.described.Paths[r.path][strings.ToLower(r.method)]
		if r.method == "GET" {
			continue
		}
		path := strings.NewReplacer("{id}", core.NewID[core.UserID]().String(), "{key}", "pairing_wave_size").Replace(r.path)
		h.as(h.boss, r.method, path, `{"no_such_field":1}`).failed(http.StatusBadRequest, core.UnknownField, "no_such_field")
		h.as(h.boss, r.method, path, `{"a":`).failedOneOf(core.UnknownField, core.BadMessage)
		h.as(h.boss, r.method, path, deep).failedOneOf(core.UnknownField, core.BadMessage)
		h.as(h.boss, r.method, path, `[`+many+`]`).failedOneOf(core.UnknownField, core.BadMessage)
		h.as(h.boss, r.method, path, `{"a":"`+wide+`"}`).failed(http.StatusRequestEntityTooLarge, core.TooLarge, "")
		h.as(h.boss, r.method, path, "{}", "Content-Type", "text/plain").failed(http.StatusUnsupportedMediaType, core.UnsupportedMedia, "")
		h.as(h.boss, r.method, path, "{}", "Content-Encoding", "gzip").failed(http.StatusUnsupportedMediaType, core.UnsupportedMedia, "")
		if operation.Body == nil {
			continue
		}
		body := operation.Body.Content["application/json"].Schema
		for name := range body.Properties {
			h.as(h.boss, r.method, path, `{"`+name+`":1,"`+name+`":1}`).failed(http.StatusBadRequest, core.BadMessage, name)
			h.as(h.boss, r.method, path, `{"`+strings.ToUpper(name)+`":1}`).failed(http.StatusBadRequest, core.UnknownField, strings.ToUpper(name))
			h.as(h.boss, r.method, path, `{"`+name+`":"\u0000"}`).failed(http.StatusBadRequest, core.BadMessage, name)
		}
		if len(body.Required) > 0 {
			h.as(h.boss, r.method, path, "").failed(http.StatusBadRequest, core.BadMessage, "")
			missing := h.as(h.boss, r.method, path, "{}")
			require.Contains(t, body.Required, missing.body["error"].(map[string]any)["field"])
		}
	}
}

func (a answer) failedOneOf(codes ...core.Code) {
	a.t.Helper()
	require.Equal(a.t, http.StatusBadRequest, a.status, a.text)
	require.Contains(a.t, codes, core.Code(a.body["error"].(map[string]any)["code"].(string)))
}
