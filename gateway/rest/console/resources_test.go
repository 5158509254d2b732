package console_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

const usersPath = "/internal/control-center-users"

func TestUsers_Refused(t *testing.T) {
	t.Parallel()
	h := open(t)
	for body, field := range map[string]string{
		`{"email":"nobody","display_name":"D","role":"operator","password":"Kata sandi 9x"}`:                            "email",
		`{"email":"d@halo.test","display_name":"","role":"operator","password":"Kata sandi 9x"}`:                        "display_name",
		`{"email":"d@halo.test","display_name":"  ","role":"operator","password":"Kata sandi 9x"}`:                      "display_name",
		`{"email":"d@halo.test","display_name":"D","role":"root","password":"Kata sandi 9x"}`:                           "role",
		`{"email":"d@halo.test","display_name":"D","role":"operator","password":"short1A"}`:                             "password",
		`{"email":"d@halo.test","display_name":"D","role":"operator","password":"no digits in Here"}`:                   "password",
		`{"email":"d@halo.test","display_name":"D","role":"operator","password":"no upper 1 in here"}`:                  "password",
		`{"email":"d@halo.test","display_name":"D","role":"operator","password":"` + strings.Repeat("aB3 ", 18) + `x"}`: "password",
		`{"email":"d@halo.test","display_name":"D","role":"operator","password":null}`:                                  "password",
		`{"email":["d@halo.test"],"display_name":"D","role":"operator","password":"Kata sandi 9x"}`:                     "email",
	} {
		h.as(h.boss, "POST", usersPath, body).failed(http.StatusBadRequest, core.BadMessage, field)
	}
	h.as(h.boss, "POST", usersPath, `{"email":"ANI@halo.test","display_name":"D","role":"operator","password":"Kata sandi 9x"}`).
		failed(http.StatusConflict, core.Conflict, "email")
	h.as(h.boss, "PATCH", usersPath+"/me", `{"role":"operator"}`).failed(http.StatusConflict, core.Conflict, "")
	h.as(h.boss, "PATCH", usersPath+"/me", `{"is_active":false}`).failed(http.StatusConflict, core.Conflict, "")
	h.as(h.boss, "PATCH", usersPath+"/me", `{"is_active":null}`).failed(http.StatusBadRequest, core.BadMessage, "is_active")
}

func TestUsers_OwnPassword(t *testing.T) {
	t.Parallel()
	h := open(t)
	elsewhere := person{token: h.signIn("ani@halo.test", password)}
	own := usersPath + "/me/password"
	h.as(h.ani, "PUT", own, `{"password":"Kata sandi 9x"}`).failed(http.StatusBadRequest, core.BadMessage, "current_password")
	h.as(h.ani, "PUT", own, `{"password":"Kata sandi 9x","current_password":"Bukan ini 1"}`).failed(http.StatusForbidden, core.Forbidden, "current_password")
	h.as(h.ani, "PUT", own, `{"password":"weak","current_password":"`+password+`"}`).failed(http.StatusBadRequest, core.BadMessage, "password")
	h.as(h.ani, "PUT", usersPath+"/"+h.ani.id.String()+"/password", `{"password":"Kata sandi 9x","current_password":"`+password+`"}`).ok(http.StatusNoContent)
	for range 5 { // guesses count like those at the door
		h.as(h.ani, "PUT", own, `{"password":"Kata sandi 9x","current_password":"Bukan ini 1"}`)
	}
	h.as(h.ani, "PUT", own, `{"password":"Kata sandi 9x","current_password":"Bukan ini 1"}`).failed(http.StatusTooManyRequests, core.RateLimited, "")
	h.exec(`update control_center_users set lockout_until = null, failed_login_count = 0`)
	require.NoError(t, h.auth.LoadDenied(t.Context()))
	h.as(h.ani, "GET", "/internal/config", "").ok(http.StatusOK)
	h.as(elsewhere, "GET", "/internal/config", "").failed(http.StatusUnauthorized, core.SessionRevoked, "")
	_, err := h.auth.LogIn(t.Context(), "ani@halo.test", password, auth.Device{})
	require.Equal(t, core.Unauthenticated, core.CodeOf(err))
	require.NotEmpty(t, h.signIn("ani@halo.test", "Kata sandi 9x"))
}

// What is taken away, a role, an account or a password, ends the sign-ins that it was given to.
func TestUsers_LosingRightsSignsOut(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ method, path, body string }{
		"role":       {"PATCH", "", `{"role":"operator"}`},
		"deactivate": {"PATCH", "", `{"is_active":false}`},
		"reset":      {"PUT", "/password", `{"password":"Kata sandi 9x"}`},
		"sign out":   {"DELETE", "/sessions", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			other := h.operator("dewi@halo.test", core.Admin)
			h.as(h.boss, change.method, usersPath+"/"+other.id.String()+change.path, change.body)
			require.NoError(t, h.auth.LoadDenied(t.Context()))
			h.as(other, "GET", usersPath, "").failed(http.StatusUnauthorized, core.SessionRevoked, "")
			lines := h.as(h.boss, "GET", "/internal/audit-logs?subject_id="+other.id.String(), "").items()
			require.Len(t, lines, 1)
			require.Equal(t, "boss@halo.test", lines[0]["operator_email"])
		})
	}
}

func TestMitras_Refused(t *testing.T) {
	t.Parallel()
	h := open(t)
	id := h.mitra("081234567890", "Ayu")
	for body, field := range map[string]string{
		`{"phone":"+6021234567","display_name":"A"}`:                       "phone",
		`{"phone":"0212345678","display_name":"A"}`:                        "phone",
		`{"phone":81234567890,"display_name":"A"}`:                         "phone",
		`{"display_name":"A"}`:                                             "phone",
		`{"phone":"081234567891"}`:                                         "display_name",
		`{"phone":"081234567891","display_name":""}`:                       "display_name",
		`{"phone":"081234567891","display_name":"A","max_capacity":0}`:     "max_capacity",
		`{"phone":"081234567891","display_name":"A","max_capacity":11}`:    "max_capacity",
		`{"phone":"081234567891","display_name":"A","max_capacity":1.5}`:   "max_capacity",
		`{"phone":"081234567891","display_name":"A","max_capacity":"2"}`:   "max_capacity",
		`{"phone":"081234567891","display_name":"A","max_capacity":1e999}`: "max_capacity",
	} {
		h.as(h.ani, "POST", "/internal/mitras", body).failed(http.StatusBadRequest, core.BadMessage, field)
	}
	h.as(h.ani, "POST", "/internal/mitras", `{"phone":"+62 812-3456-7890","display_name":"B"}`).failed(http.StatusConflict, core.Conflict, "phone")
	h.as(h.ani, "PATCH", "/internal/mitras/"+id, `{"max_capacity":0}`).failed(http.StatusBadRequest, core.BadMessage, "max_capacity")
	h.as(h.ani, "PATCH", "/internal/mitras/"+id, `{"display_name":null}`).failed(http.StatusBadRequest, core.BadMessage, "display_name")
	h.as(h.ani, "PATCH", "/internal/mitras/"+id+"/status", `{"is_active":"no"}`).failed(http.StatusBadRequest, core.BadMessage, "is_active")
}

func TestMitras_CapacityOfItsOwnOrTheConfigurations(t *testing.T) {
	t.Parallel()
	h := open(t)
	id := h.mitra("081234567890", "Ayu")
	change := func(body string) map[string]any {
		return h.as(h.ani, "PATCH", "/internal/mitras/"+id, body).ok(http.StatusOK)
	}
	require.Equal(t, 4.0, change(`{"max_capacity":4}`)["own_max_capacity"])
	h.as(h.boss, "PUT", "/internal/config/mitra_max_capacity", `{"value":3}`).ok(http.StatusOK)
	require.Equal(t, 4.0, change(`{"display_name":"Ayu P"}`)["max_capacity"], "left out is left alone")
	freed := change(`{"max_capacity":null}`)
	require.Equal(t, 3.0, freed["max_capacity"])
	require.NotContains(t, freed, "own_max_capacity")
	require.Equal(t, "Ayu P", change(`{}`)["display_name"], "nothing to change is no mistake")
}

func TestMitras_DeactivatedWithItsSessions(t *testing.T) {
	t.Parallel()
	h := open(t)
	session, _, mitra := h.talk()
	done := h.as(h.ani, "PATCH", "/internal/mitras/"+mitra+"/status", `{"is_active":false}`).ok(http.StatusOK)
	require.Equal(t, []any{session}, done["ended_sessions"])
	require.Equal(t, []any{false, false, "offline", 0.0}, []any{done["is_active"], done["is_online"], done["mode"], done["capacity"]})
	told := h.as(h.ani, "GET", "/internal/sessions/"+session, "").ok(http.StatusOK)
	require.Equal(t, []any{"ended", "deactivated"}, []any{told["status"], told["end_reason"]})

	back := h.as(h.ani, "PATCH", "/internal/mitras/"+mitra+"/status", `{"is_active":true}`).ok(http.StatusOK)
	require.Empty(t, back["ended_sessions"])
	log := h.as(h.ani, "GET", "/internal/mitras/"+mitra+"/logs", "").items()
	require.Equal(t, []any{"activated", "deactivated"}, []any{log[0]["reason"], log[1]["reason"]})
}

func TestSessions_EndOfWhatIsOver(t *testing.T) {
	t.Parallel()
	h := open(t)
	session, _, _ := h.talk()
	h.exec(`update chat_sessions set status = 'ended', end_reason = 'customer', ended_at = now() where id = $1`, session)
	refused := h.as(h.ani, "POST", "/internal/sessions/"+session+"/end", "")
	refused.failed(http.StatusConflict, core.WrongState, "")
	standing := refused.body["error"].(map[string]any)["session"].(map[string]any)
	require.Equal(t, []any{session, "ended", "customer"}, []any{standing["id"], standing["status"], standing["end_reason"]})
	h.as(h.ani, "POST", "/internal/sessions/"+session+"/reroute", "").failed(http.StatusConflict, core.WrongState, "")
	h.as(h.ani, "POST", "/internal/sessions/"+session+"/end", `{"note":"`+strings.Repeat("a", 501)+`"}`).failed(http.StatusBadRequest, core.BadMessage, "note")
}

func TestConfig_IsTypedAndBounded(t *testing.T) {
	t.Parallel()
	h := open(t)
	for key, values := range map[string][]string{
		"pairing_wave_size":  {`0`, `51`, `"5"`, `5.5`, `true`, `[5]`, `{"a":5}`, `1e1`, `99999999999999999999`},
		core.AnonymityKey:    {`"nobody"`, `1`, `""`, `true`},
		"otp_ttl_seconds":    {`59`, `601`},
		"cc_lockout_seconds": {`59`},
	} {
		for _, value := range values {
			h.as(h.boss, "PUT", "/internal/config/"+key, `{"value":`+value+`}`).failed(http.StatusBadRequest, core.BadMessage, "value")
		}
		h.as(h.boss, "PUT", "/internal/config/"+key, `{"value":null}`).failed(http.StatusBadRequest, core.BadMessage, "value")
	}
	h.as(h.boss, "PUT", "/internal/config/no_such_key", `{"value":1}`).failed(http.StatusNotFound, core.NotFound, "")
	h.as(h.boss, "PUT", "/internal/config/"+core.AnonymityKey, `{"value":"name"}`).ok(http.StatusOK)

	h.exec(`insert into app_config (key, value) values ('pairing_max_waves', '500')`) // what every instance ignores
	for i, item := range h.as(h.ani, "GET", "/internal/config", "").items() {
		setting := core.SettingsTable[i]
		require.Equal(t, setting.Key, item["key"])
		var want any
		require.NoError(t, json.Unmarshal([]byte(setting.DefaultJSON()), &want))
		if setting.Key == core.AnonymityKey {
			require.Equal(t, []any{"name", true, h.boss.id.String()}, []any{item["value"], item["is_changed"], item["updated_by"]})
			require.NotContains(t, item, "min")
			continue
		}
		require.Equal(t, []any{want, want, false, float64(setting.Min), float64(setting.Max)},
			[]any{item["value"], item["default"], item["is_changed"], item["min"], item["max"]}, setting.Key)
	}
}

func TestPackages_Refused(t *testing.T) {
	t.Parallel()
	h := open(t)
	for body, field := range map[string]string{
		`{"name":"","duration_minutes":30,"price":1}`:                "name",
		`{"name":"A","duration_minutes":0,"price":1}`:                "duration_minutes",
		`{"name":"A","duration_minutes":1441,"price":1}`:             "duration_minutes",
		`{"name":"A","duration_minutes":30,"price":-1}`:              "price",
		`{"name":"A","duration_minutes":30,"price":100000001}`:       "price",
		`{"name":"A","duration_minutes":30}`:                         "price",
		`{"name":"A","duration_minutes":30,"price":1.01}`:            "price",
		`{"name":"   ","duration_minutes":30,"price":1}`:             "name",
		`{"name":"A","duration_minutes":30,"price":1,"is_active":0}`: "is_active",
	} {
		h.as(h.ani, "POST", "/internal/packages", body).failed(http.StatusBadRequest, core.BadMessage, field)
	}
}

func TestDashboard_AsksOnceASecondAndWorksWithoutValkey(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.talk()
	first := h.as(h.ani, "GET", "/internal/dashboard", "").ok(http.StatusOK)
	require.Equal(t, []any{7.0, 5.0, 1.0, 1.0, 6.0, false}, []any{
		first["online"], first["available"], first["busy"], first["active_sessions"], first["sockets"], first["is_degraded"],
	})
	h.fleet.fail(core.Wrap(core.Unavailable, errors.New("away")))
	require.Eventually(t, func() bool {
		now := h.as(h.ani, "GET", "/internal/dashboard", "").ok(http.StatusOK)
		if now["at"] == first["at"] {
			return false // kept
		}
		require.Equal(t, []any{1.0, 0.0, 1.0, 0.0, true}, []any{now["online"], now["available"], now["busy"], now["sockets"], now["is_degraded"]})
		return true
	}, 10*time.Second, 100*time.Millisecond)
	h.as(h.ani, "GET", "/internal/instances", "").failed(http.StatusServiceUnavailable, core.Unavailable, "")
}
