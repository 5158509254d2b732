package rest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestAnonymous(t *testing.T) {
	t.Parallel()
	h := open(t)
	in := h.signedIn()
	soon(t, in.body.AccessTokenExpiresAt)
	require.Equal(t, "customer", in.body.User.UserType)
	require.True(t, in.body.User.IsAnonymous)
	require.Equal(t, "no-store", in.header.Get("Cache-Control"))
	h.post("/api/shared/auth/anonymous", `{}`).ok(t, http.StatusCreated)
	h.post("/api/shared/auth/anonymous", `{"id":1}`).failed(t, 400, core.UnknownField)

	me := h.get("/api/client/auth/me", bearer(in.body.AccessToken)...).ok(t, http.StatusOK)
	require.Contains(t, me.text, `"id":"`+in.body.User.ID+`"`)
	h.get("/api/mitra/auth/me", bearer(in.body.AccessToken)...).failed(t, 403, core.Forbidden)
}

func TestMitraSignIn(t *testing.T) {
	t.Parallel()
	h := open(t)
	seeded := h.do(h.internal, "POST", "/internal/_test/seed-mitra", `{"phone":"081234567890","display_name":"Sri"}`).ok(t, 200)
	id, code := h.asked("mitra", "0812-3456-7890")
	in := h.post("/api/mitra/auth/otp/verify", fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code)).ok(t, 200)
	require.Equal(t, seeded.body.Mitra.ID, in.body.User.ID)
	require.Equal(t, "mitra", in.body.User.UserType)
	require.Equal(t, "Sri", in.body.User.DisplayName)
	require.Equal(t, phone, in.body.User.Phone)
	me := h.get("/api/mitra/auth/me", bearer(in.body.AccessToken)...).ok(t, 200)
	require.Contains(t, me.text, `"display_name":"Sri"`)
	h.get("/api/client/auth/me", bearer(in.body.AccessToken)...).failed(t, 403, core.Forbidden)
	h.get("/api/client/packages", bearer(in.body.AccessToken)...).failed(t, 403, core.Forbidden)
}

func TestMitraSignIn_AnUnknownPhoneIsAnsweredLikeAKnownOne(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.do(h.internal, "POST", "/internal/_test/seed-mitra", `{"phone":"081234567890","display_name":"Sri"}`).ok(t, 200)
	// tells is what somebody gets who tries a phone: the answers without what is random, and how many statements they cost, which is
	// most of their time.
	tells := func(phone string) (all []string) {
		own := regexp.MustCompile(`"(otp_request_id|request_id)":"[^"]+"|"retry_after_seconds":\d+`)
		for _, once := range []func() answer{
			func() answer { return h.post("/api/mitra/auth/otp/request", `{"phone":"`+phone+`"}`) },
			func() answer { return h.post("/api/mitra/auth/otp/request", `{"phone":"`+phone+`"}`) },
			func() answer {
				return h.proves("mitra", pgtest.Value[string](t, h.url, `select id::text from otp_requests order by created_at desc limit 1`), "x23456")
			},
			func() answer {
				return h.proves("mitra", pgtest.Value[string](t, h.url, `select id::text from otp_requests order by created_at desc limit 1`), "123456")
			},
		} {
			before := h.statements.ofCodes.Load()
			got := once()
			all = append(all, fmt.Sprint(got.status, own.ReplaceAllString(got.text, ""), h.statements.ofCodes.Load()-before))
		}
		return all
	}
	known := tells(phone)
	require.Equal(t, known, tells("+6281299998888"))
	require.Contains(t, known[0], "200")
	require.NotEqual(t, "0", known[0][len(known[0])-1:], "statements are counted")
	require.Contains(t, known[1], core.ResendCooldown)
	require.Contains(t, known[3], `"attempts_left":4`)
	<-h.codes
	require.Empty(t, h.codes)
}

// proves sends a code to an app's route.
func (h *house) proves(app, id, code string, headers ...string) answer {
	h.t.Helper()
	return h.post("/api/"+app+"/auth/otp/verify", fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code), headers...)
}

func TestCustomerSignIn_EveryError(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.everyCodeError("client", "mitra")
	h.post("/api/client/auth/otp/request", `{"phone":"`+blocked+`"}`).failed(t, 429, core.AttemptsExceeded)
}

func TestMitraSignIn_EveryError(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.do(h.internal, "POST", "/internal/_test/seed-mitra", `{"phone":"081234567890","display_name":"Sri"}`).ok(t, 200)
	h.everyCodeError("mitra", "client")
}

// everyCodeError goes through what an app can do wrong with codes.
func (h *house) everyCodeError(app, other string) {
	h.t.Helper()
	t := h.t
	request := "/api/" + app + "/auth/otp/request"
	for _, bad := range []string{"", "12345", "+14155550100"} {
		refused := h.post(request, fmt.Sprintf(`{"phone":%q}`, bad))
		refused.failed(t, 400, core.BadMessage)
		require.Equal(t, "phone", refused.body.Error.Field)
	}
	id, code := h.asked(app, phone)
	cooldown := h.post(request, `{"phone":"`+phone+`"}`)
	cooldown.failed(t, 429, core.ResendCooldown)
	require.InDelta(t, 60, cooldown.body.Error.RetryAfter, 10)
	require.Equal(t, fmt.Sprint(cooldown.body.Error.RetryAfter), cooldown.header.Get("Retry-After"))

	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	mismatch := h.proves(app, id, wrong)
	mismatch.failed(t, 400, core.CodeMismatch)
	require.Equal(t, 4, *mismatch.body.Error.AttemptsLeft)
	h.proves(other, id, code).failed(t, 409, core.WrongFlow)
	h.proves(app, id, "12345").failed(t, 400, core.BadMessage)
	h.proves(app, "not-an-id", code).failed(t, 400, core.BadMessage)
	h.proves(app, core.NewID[core.OTPRequestID]().String(), code).failed(t, 410, core.OTPExpired)
	in := h.proves(app, id, code).ok(t, 200)
	require.Equal(t, phone, in.body.User.Phone)
	h.proves(app, id, code).failed(t, 409, core.OTPUsed)

	h.wait()
	id, code = h.asked(app, phone)
	pgtest.Exec(t, h.url, `update otp_requests set expires_at = now() where id = $1`, id)
	h.proves(app, id, code).failed(t, 410, core.OTPExpired)

	h.wait()
	id, code = h.asked(app, phone)
	for range 5 {
		h.proves(app, id, wrong).failed(t, 400, core.CodeMismatch)
	}
	h.proves(app, id, code).failed(t, 429, core.AttemptsExceeded)

	h.wait()
	for range 3 {
		h.asked(app, phone)
		pgtest.Exec(t, h.url, `update otp_requests set created_at = created_at - interval '2 minutes'`)
	}
	limited := h.post(request, `{"phone":"`+phone+`"}`)
	limited.failed(t, 429, core.RateLimited)
	require.InDelta(t, 54*60, limited.body.Error.RetryAfter, 60)
}

func TestMitraSignIn_ErrAccountInactive(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.do(h.internal, "POST", "/internal/_test/seed-mitra", `{"phone":"081234567890","display_name":"Sri"}`).ok(t, 200)
	id, code := h.asked("mitra", phone)
	pgtest.Exec(t, h.url, `update mitras set is_active = false`)
	h.post("/api/mitra/auth/otp/verify", fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code)).failed(t, 403, core.AccountInactive)
}

func TestCustomerLink(t *testing.T) {
	t.Parallel()
	h := open(t)
	anonymous := h.signedIn()
	id, code := h.asked("client", phone)
	body := fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code)
	h.post("/api/client/auth/otp/verify", body, bearer("nonsense")...).failed(t, 401, core.Unauthenticated)
	linked := h.post("/api/client/auth/otp/verify", body, bearer(anonymous.body.AccessToken)...).ok(t, 200)
	require.Equal(t, anonymous.body.User.ID, linked.body.User.ID)
	require.Equal(t, phone, linked.body.User.Phone)
	require.Equal(t, anonymous.body.RefreshToken, linked.body.RefreshToken)

	h.wait()
	other := h.signedIn()
	id, code = h.asked("client", phone)
	h.post("/api/client/auth/otp/verify", fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code), bearer(other.body.AccessToken)...).
		failed(t, 409, core.IdentityInUse)

	h.wait()
	id, code = h.asked("client", phone)
	again := h.post("/api/client/auth/otp/verify", fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code)).ok(t, 200)
	require.Equal(t, anonymous.body.User.ID, again.body.User.ID, "without a Bearer: the account that holds the phone")

	h.wait()
	id, code = h.asked("client", "+6281377775555")
	h.proves("client", id, code, bearer(anonymous.body.AccessToken)...).failed(t, 409, core.Conflict) // it has a phone

	h.wait()
	mitra := h.do(h.internal, "POST", "/internal/_test/seed-mitra", `{"phone":"081299998888","display_name":"Sri"}`).ok(t, 200)
	id, code = h.asked("client", "+6281377776666")
	h.post("/api/client/auth/otp/verify", fmt.Sprintf(`{"otp_request_id":%q,"code":%q}`, id, code), bearer(mitra.body.AccessToken)...).
		failed(t, 403, core.Forbidden)
}

// What waits to be sent is bounded, and says so alike to phones that are a mitra's and to those that are nobody's.
func TestMitraSignIn_ErrOverloaded(t *testing.T) {
	t.Parallel()
	h := open(t)
	boss := core.NewID[core.OperatorID]()
	pgtest.Exec(t, h.url, `insert into control_center_users (id, email, password_hash, role) values ($1, 'boss@halo.test', 'x', 'admin')`, boss)
	_, err := h.db.Admin().PutSetting(t.Context(), boss, "otp_per_ip_hour", []byte("1000"))
	require.NoError(t, err)
	for range cap(h.codes) {
		h.codes <- "the inbox is full"
	}
	const senders, queue = 4, 256
	for i := range senders {
		mitra := fmt.Sprintf("+6281234567%03d", i)
		_, err := h.service.SeedMitra(t.Context(), mitra, "Sri", auth.Device{})
		require.NoError(t, err)
		h.post("/api/mitra/auth/otp/request", `{"phone":"`+mitra+`"}`).ok(t, 200)
	}
	refused := 0
	for i := range queue + senders {
		got := h.post("/api/mitra/auth/otp/request", fmt.Sprintf(`{"phone":"+6281300000%03d"}`, i))
		if got.status != http.StatusOK {
			got.failed(t, 503, core.Overloaded)
			refused++
		}
	}
	require.Positive(t, refused)
	for range cap(h.codes) + senders {
		<-h.codes
	}
}

func (h *house) refresh(token string) answer {
	h.t.Helper()
	return h.post("/api/shared/auth/refresh", fmt.Sprintf(`{"refresh_token":%q}`, token))
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := h.signedIn()
	second := h.refresh(first.body.RefreshToken).ok(t, 200)
	require.NotEqual(t, first.body.RefreshToken, second.body.RefreshToken)
	soon(t, second.body.AccessTokenExpiresAt)
	require.Equal(t, second.body.RefreshToken, h.refresh(first.body.RefreshToken).ok(t, 200).body.RefreshToken)

	pgtest.Exec(t, h.url, `update auth_sessions set rotated_at = rotated_at - interval '11 seconds'`)
	h.refresh(first.body.RefreshToken).failed(t, 401, core.SessionRevoked)
	h.refresh(second.body.RefreshToken).failed(t, 401, core.SessionRevoked)
	h.get("/api/client/auth/me", bearer(second.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
	require.Equal(t, "theft", pgtest.Value[string](t, h.url, `select revoke_reason from auth_sessions`))
	require.EqualValues(t, 1, pgtest.Value[int64](t, h.url, `select count(*) from event_outbox where kind = 'auth.revoked'`))

	h.refresh("").failed(t, 401, core.Unauthenticated)
	h.refresh("nonsense").failed(t, 401, core.Unauthenticated)

	mitra, err := h.service.SeedMitra(t.Context(), phone, "Sri", auth.Device{})
	require.NoError(t, err)
	pgtest.Exec(t, h.url, `update mitras set is_active = false`)
	h.refresh(mitra.Refresh).failed(t, 403, core.AccountInactive)
}

func TestRefresh_OneHundredAtOnceGetOneSuccessor(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := h.signedIn()
	answers := make([]answer, 100)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = h.refresh(first.body.RefreshToken) })
	}
	all.Wait()
	for _, a := range answers {
		require.Equal(t, 200, a.status, a.text)
		require.Equal(t, answers[0].body.RefreshToken, a.body.RefreshToken)
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	h := open(t)
	in := h.signedIn()
	out := h.post("/api/shared/auth/logout", "", bearer(in.body.AccessToken)...).ok(t, http.StatusNoContent)
	require.Empty(t, out.text)
	h.get("/api/client/auth/me", bearer(in.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
	h.refresh(in.body.RefreshToken).failed(t, 401, core.SessionRevoked)
	h.post("/api/shared/auth/logout", "", bearer(in.body.AccessToken)...).failed(t, 401, core.SessionRevoked)

	in = h.signedIn()
	body := fmt.Sprintf(`{"refresh_token":%q}`, in.body.RefreshToken)
	h.post("/api/shared/auth/logout", body).ok(t, http.StatusNoContent)
	h.get("/api/client/auth/me", bearer(in.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
	h.post("/api/shared/auth/logout", body).ok(t, http.StatusNoContent)

	h.post("/api/shared/auth/logout", "").failed(t, 401, core.Unauthenticated)
	h.post("/api/shared/auth/logout", `{}`).failed(t, 401, core.Unauthenticated)
	h.post("/api/shared/auth/logout", `{"refresh_token":"x"}`).failed(t, 401, core.Unauthenticated)
}

func TestBearer_Refused(t *testing.T) {
	t.Parallel()
	h := open(t)
	good := h.signedIn().body.AccessToken
	h.get("/api/client/auth/me", "authorization", "bearer "+good).ok(t, 200)

	old, _, err := jwt.NewParser().ParseUnverified(good, jwt.MapClaims{})
	require.NoError(t, err)
	old.Claims.(jwt.MapClaims)["exp"] = time.Now().Add(-time.Second).Unix()
	expired, err := old.SignedString(secret)
	require.NoError(t, err)
	h.get("/api/client/auth/me", bearer(expired)...).failed(t, 401, core.TokenExpired)

	none := jwt.NewWithClaims(jwt.SigningMethodNone, old.Claims)
	none.Header["kid"] = old.Header["kid"]
	unsigned, err := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	foreign, err := old.SignedString(bytes.Repeat([]byte("x"), 32))
	require.NoError(t, err)
	for name, headers := range map[string][]string{
		"none":            nil,
		"two":             append(bearer(good), bearer(good)...),
		"another scheme":  {"Authorization", "Basic " + good},
		"no scheme":       {"Authorization", good},
		"empty":           {"Authorization", ""},
		"100 KB":          bearer(strings.Repeat("x", 100<<10)),
		"alg none":        bearer(unsigned),
		"another secret":  bearer(foreign),
		"two in one":      {"Authorization", "Bearer " + good + ", Bearer " + good},
		"a refresh token": bearer(h.signedIn().body.RefreshToken),
	} {
		refused := h.get("/api/client/auth/me", headers...)
		refused.failed(t, 401, core.Unauthenticated)
		require.Equal(t, `Bearer realm="bestie"`, refused.header.Get("WWW-Authenticate"), name)
	}
	h.get("/api/client/auth/me?access_token="+good).failed(t, 401, core.Unauthenticated)
}
