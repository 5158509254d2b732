package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func (h *house) google(subject string, headers ...string) answer {
	h.t.Helper()
	return h.post("/api/client/auth/google", fmt.Sprintf(`{"id_token":%q}`, h.vendor.google(subject)), headers...)
}

func (h *house) apple(subject string, headers ...string) answer {
	h.t.Helper()
	return h.post("/api/client/auth/apple", fmt.Sprintf(`{"id_token":%q}`, h.vendor.apple(subject, "")), headers...)
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := h.google("budi").ok(t, 200)
	require.False(t, first.body.User.IsAnonymous)
	require.Contains(t, first.text, `"email":"budi@example.com"`)
	second := h.google("budi").ok(t, 200)
	require.Equal(t, first.body.User.ID, second.body.User.ID)

	h.post("/api/client/auth/google", `{}`).failed(t, 400, core.BadMessage)
	h.post("/api/client/auth/google", `{"id_token":""}`).failed(t, 400, core.BadMessage)
	for name, token := range map[string]string{
		"nonsense":    "nonsense",
		"Apple's":     h.vendor.apple("budi", ""),
		"another app": h.vendor.token("https://accounts.google.com", "another", "budi", ""),
		"our own":     first.body.AccessToken,
	} {
		refused := h.post("/api/client/auth/google", fmt.Sprintf(`{"id_token":%q}`, token))
		refused.failed(t, 401, core.Unauthenticated)
		require.Equal(t, "id_token", refused.body.Error.Field, name)
	}
	h.post("/api/client/auth/google", fmt.Sprintf(`{"id_token":%q,"nonce":"x"}`, h.vendor.google("budi"))).failed(t, 401, core.Unauthenticated)
	h.post("/api/client/auth/google", fmt.Sprintf(`{"id_token":%q}`, strings.Repeat("x", 17<<10))).failed(t, 400, core.BadMessage)
}

func TestGoogle_ErrKeysCannotBeHad(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.vendor.down = true
	h.google("budi").failed(t, 503, core.Unavailable)
}

func TestApple(t *testing.T) {
	t.Parallel()
	h := open(t)
	in := h.post("/api/client/auth/apple", fmt.Sprintf(`{"id_token":%q,"nonce":"raw","authorization_code":"good"}`, h.vendor.apple("budi", "raw"))).ok(t, 200)
	require.Equal(t, int64(1), pgtest.Value[int64](t, h.url, `select count(*) from apple_tokens`))
	require.NotContains(t, pgtest.Value[string](t, h.url, `select encode(sealed, 'escape') from apple_tokens`), "refresh")

	h.post("/api/client/auth/apple", fmt.Sprintf(`{"id_token":%q}`, h.vendor.apple("budi", "raw"))).failed(t, 401, core.Unauthenticated)
	used := h.post("/api/client/auth/apple", fmt.Sprintf(`{"id_token":%q,"authorization_code":"used"}`, h.vendor.apple("budi", "")))
	used.failed(t, 401, core.Unauthenticated)
	require.Equal(t, "authorization_code", used.body.Error.Field)
	h.post("/api/client/auth/apple", fmt.Sprintf(`{"id_token":%q,"authorization_code":"good"}`, h.vendor.apple("another", ""))).failed(t, 401, core.Unauthenticated)

	h.do(h.public, "DELETE", "/api/client/auth/me", "", bearer(in.body.AccessToken)...).ok(t, 204)
	require.Equal(t, "apple's refresh token", <-h.vendor.revoked)
}

func TestLink_Identities(t *testing.T) {
	t.Parallel()
	h := open(t)
	mine := h.signedIn()
	theirs := h.signedIn()
	mitra := h.do(h.internal, "POST", "/internal/_test/seed-mitra", `{"phone":"081234567890","display_name":"Sri"}`).ok(t, 200)
	for _, with := range []func(string, ...string) answer{h.google, h.apple} {
		linked := with("budi", bearer(mine.body.AccessToken)...).ok(t, 200)
		require.Equal(t, mine.body.User.ID, linked.body.User.ID)
		require.Equal(t, mine.body.RefreshToken, linked.body.RefreshToken, "the auth session stays")
		with("budi", bearer(mine.body.AccessToken)...).ok(t, 200)
		with("another", bearer(mine.body.AccessToken)...).failed(t, 409, core.Conflict)
		with("budi", bearer(theirs.body.AccessToken)...).failed(t, 409, core.IdentityInUse)
		with("budi", bearer("nonsense")...).failed(t, 401, core.Unauthenticated)
		with("budi", append(bearer(mine.body.AccessToken), bearer(mine.body.AccessToken)...)...).failed(t, 401, core.Unauthenticated)
		with("budi", bearer(mitra.body.AccessToken)...).failed(t, 403, core.Forbidden)
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	h := open(t)
	in := h.signedIn()
	patch := func(body string) answer {
		return h.do(h.public, "PATCH", "/api/client/auth/profile", body, bearer(in.body.AccessToken)...)
	}
	require.Equal(t, "Budi", patch(`{"display_name":" Budi "}`).ok(t, 200).bodyOf(t)["display_name"])
	patch(fmt.Sprintf(`{"display_name":%q}`, strings.Repeat("🐘", 80))).ok(t, 200)
	for _, bad := range []string{
		`{}`, `{"display_name":null}`, `{"display_name":1}`, `{"display_name":"a\nb"}`, `{"display_name":"a\u0000b"}`,
		fmt.Sprintf(`{"display_name":%q}`, strings.Repeat("x", 81)),
	} {
		patch(bad).failed(t, 400, core.BadMessage)
	}
	patch(`{"display_name":"x","email":"a@b"}`).failed(t, 400, core.UnknownField)
	h.do(h.public, "PATCH", "/api/client/auth/profile", `{"display_name":"x"}`).failed(t, 401, core.Unauthenticated)
}

func (a answer) bodyOf(t *testing.T) (body map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.text), &body), a.text)
	return body
}

func TestDeleteMe(t *testing.T) {
	t.Parallel()
	h := open(t)
	in, elsewhere := h.google("budi").ok(t, 200), h.google("budi").ok(t, 200)
	h.do(h.public, "DELETE", "/api/client/auth/me", `{}`, bearer(in.body.AccessToken)...).ok(t, 204)
	for _, tokens := range []answer{in, elsewhere} {
		h.get("/api/client/auth/me", bearer(tokens.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
		h.post("/api/shared/auth/refresh", fmt.Sprintf(`{"refresh_token":%q}`, tokens.body.RefreshToken)).failed(t, 401, core.SessionRevoked)
	}
	require.Zero(t, pgtest.Value[int64](t, h.url, `select count(*) from customers where google_sub is not null or email is not null`))
	fresh := h.google("budi").ok(t, 200)
	require.NotEqual(t, in.body.User.ID, fresh.body.User.ID)
}

func TestExport(t *testing.T) {
	t.Parallel()
	h := open(t)
	in := h.google("budi").ok(t, 200)
	out := h.get("/api/client/auth/me/export", append(bearer(in.body.AccessToken), "User-Agent", "an app")...).ok(t, 200)
	require.Contains(t, out.header.Get("Content-Disposition"), "attachment")
	body := out.bodyOf(t)
	require.Equal(t, "budi", body["google_sub"])
	require.Len(t, body["auth_sessions"], 1)
	for _, empty := range []string{"devices", "phone_codes", "sessions", "session_events", "payments", "refunds", "credits"} {
		require.Equal(t, []any{}, body[empty])
	}
	require.NotContains(t, out.text, in.body.RefreshToken[37:], "no secret of ours")
	h.get("/api/client/auth/me/export").failed(t, 401, core.Unauthenticated)
}

func TestLogoutAll(t *testing.T) {
	t.Parallel()
	h := open(t)
	here, there, other := h.google("budi"), h.google("budi"), h.signedIn()
	h.post("/api/shared/auth/logout-all", "", bearer(here.body.AccessToken)...).ok(t, http.StatusNoContent)
	for _, over := range []answer{here, there} {
		h.get("/api/client/auth/me", bearer(over.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
	}
	h.get("/api/client/auth/me", bearer(other.body.AccessToken)...).ok(t, 200)
	h.post("/api/shared/auth/logout-all", "").failed(t, 401, core.Unauthenticated)
}
