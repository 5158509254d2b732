package console_test

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// Every route answers as it is described; that none was forgotten is asked at the end (neverSeen).
func TestEveryRoute_AnswersAsDescribed(t *testing.T) {
	t.Parallel()
	h := open(t)
	session, customer, mitra := h.talk()
	for kind, id := range map[core.UserType]string{core.Customer: customer, core.Mitra: mitra} {
		h.exec(`insert into auth_sessions (id, user_type, user_id, salt, refresh_hash, expires_at) values (gen_random_uuid(), $1, $2, '\x00', 'x', now() + interval '1 day')`, kind, id)
	}

	user := h.as(h.boss, "POST", "/internal/control-center-users",
		`{"email":" Dewi@Halo.test ","display_name":"Dewi","role":"operator","password":"Kata sandi 9x"}`).ok(http.StatusCreated)
	require.Equal(t, "dewi@halo.test", user["email"])
	users := "/internal/control-center-users/" + user["id"].(string)
	require.Len(t, h.as(h.boss, "GET", "/internal/control-center-users", "").items(), 3)
	require.Equal(t, "admin", h.as(h.boss, "PATCH", users, `{"role":"admin"}`).ok(http.StatusOK)["role"])
	h.as(h.boss, "PUT", users+"/password", `{"password":"Kata sandi 8y"}`).ok(http.StatusNoContent)
	h.signIn("dewi@halo.test", "Kata sandi 8y")
	require.Equal(t, 1.0, h.as(h.boss, "DELETE", users+"/sessions", "").ok(http.StatusOK)["revoked"])

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
	h.everyWriteIsAudited()
}

// everyWriteIsAudited wants a line of the audit log for each route that writes, with what was there before and after; only what is made
// has no before.
func (h *house) everyWriteIsAudited() {
	h.t.Helper()
	actions := map[string]string{
		"POST /internal/control-center-users":                 "operator.create",
		"PATCH /internal/control-center-users/{id}":           "operator.change",
		"PUT /internal/control-center-users/{id}/password":    "operator.password",
		"DELETE /internal/control-center-users/{id}/sessions": "operator.sign_out",
		"POST /internal/mitras":                               "mitra.create",
		"PATCH /internal/mitras/{id}":                         "mitra.change",
		"PATCH /internal/mitras/{id}/status":                  "mitra.deactivate",
		"POST /internal/mitras/{id}/offline":                  "mitra.offline",
		"DELETE /internal/mitras/{id}/sessions":               "mitra.sign_out",
		"DELETE /internal/customers/{id}/sessions":            "customer.sign_out",
		"POST /internal/customers/{id}/credits":               "customer.credit",
		"POST /internal/sessions/{id}/end":                    "session.end",
		"POST /internal/sessions/{id}/reroute":                "session.reroute",
		"POST /internal/payments/{id}/refund":                 "payment.refund",
		"PUT /internal/config/{key}":                          "config.put",
		"POST /internal/packages":                             "package.create",
		"PATCH /internal/packages/{id}":                       "package.change",
	}
	made := []string{"operator.create", "operator.password", "mitra.create", "package.create", "payment.refund"}
	lines := h.as(h.ani, "GET", "/internal/audit-logs?limit=200", "").items()
	for _, r := range h.routes() {
		if r.method == "GET" {
			continue
		}
		action := actions[r.method+" "+r.path]
		i := slices.IndexFunc(lines, func(line map[string]any) bool { return line["action"] == action })
		require.GreaterOrEqual(h.t, i, 0, "%s %s: no line %q", r.method, r.path, action)
		require.NotNil(h.t, lines[i]["after"], action)
		require.Equal(h.t, slices.Contains(made, action), lines[i]["before"] == nil, action)
		require.Contains(h.t, []any{"boss@halo.test", "ani@halo.test"}, lines[i]["operator_email"])
	}
}

var parameter = regexp.MustCompile(`\{[a-z_]+\}`)

// Nobody without a token, with somebody else's, or with one that is over comes in anywhere.
func TestEveryRoute_WantsAnOperator(t *testing.T) {
	t.Parallel()
	h := open(t)
	gone := h.operator("gone@halo.test", core.Admin)
	require.NoError(t, h.auth.RevokeAll(t.Context(), core.UserID(gone.id), "logout"))
	customer, err := h.auth.SignInAnonymous(t.Context(), auth.Device{})
	require.NoError(t, err)
	mitra, err := h.auth.SeedMitra(t.Context(), "+6281200000001", "Sri", auth.Device{})
	require.NoError(t, err)
	for _, r := range h.routes() {
		path := parameter.ReplaceAllString(r.path, core.NewID[core.UserID]().String())
		h.do(r.method, path, "").failed(http.StatusUnauthorized, core.Unauthenticated, "")
		h.do(r.method, path, "", "Authorization", "Bearer x").failed(http.StatusUnauthorized, core.Unauthenticated, "")
		h.as(gone, r.method, path, "").failed(http.StatusUnauthorized, core.SessionRevoked, "")
		h.as(h.boss.aged(t), r.method, path, "").failed(http.StatusUnauthorized, core.TokenExpired, "")
		for _, stranger := range []string{customer.Access, mitra.Access} {
			h.as(person{token: stranger}, r.method, path, "").failed(http.StatusForbidden, core.Forbidden, "")
		}
	}
}

// aged is somebody with the token as it will be when its hour is over.
func (p person) aged(t *testing.T) person {
	t.Helper()
	token, _, err := jwt.NewParser().ParseUnverified(p.token, jwt.MapClaims{})
	require.NoError(t, err)
	token.Claims.(jwt.MapClaims)["exp"] = time.Now().Add(-time.Second).Unix()
	p.token, err = token.SignedString(secret)
	require.NoError(t, err)
	return p
}

// A store that is out is UNAVAILABLE everywhere.
func TestEveryRoute_ErrUnavailable(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.fleet.fail(core.Wrap(core.Unavailable, errors.New("away")))
	h.db.Close()
	for _, r := range h.routes() {
		path := strings.NewReplacer("{id}", core.NewID[core.UserID]().String(), "{key}", "pairing_wave_size").Replace(r.path)
		h.as(h.boss, r.method, path, bodies[r.method+" "+r.path]).failed(http.StatusServiceUnavailable, core.Unavailable, "")
	}
}

// bodies are what the routes take that want one.
var bodies = map[string]string{
	"PATCH /internal/mitras/{id}/status":               `{"is_active":true}`,
	"PUT /internal/control-center-users/{id}/password": `{"password":"Kata sandi 9x"}`,
	"PATCH /internal/control-center-users/{id}":        `{"display_name":"X"}`,
	"PATCH /internal/mitras/{id}":                      `{"display_name":"X"}`,
	"PATCH /internal/packages/{id}":                    `{"name":"X"}`,
	"POST /internal/customers/{id}/credits":            `{"amount":1}`,
	"POST /internal/control-center-users":              `{"email":"dewi@halo.test","display_name":"Dewi","role":"operator","password":"Kata sandi 9x"}`,
	"POST /internal/mitras":                            `{"phone":"081234567890","display_name":"Ayu"}`,
	"POST /internal/packages":                          `{"name":"Malam","duration_minutes":30,"price":45000}`,
	"PUT /internal/config/{key}":                       `{"value":9}`,
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
