package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

// asked keeps the phone that a code was asked for.
type asked struct {
	rest.SignIn
	phone string
}

func (a *asked) RequestCode(_ context.Context, _ core.UserType, phone string, _ auth.Device) (auth.CodeTicket, error) {
	a.phone = phone
	return auth.CodeTicket{ID: core.NewID[core.OTPRequestID](), ResendAfter: time.Minute, ExpiresIn: time.Minute}, nil
}

// FuzzBody sends whatever for a body. It is refused in our form, or is what encoding/json reads there when it is strict.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"phone":"081234567890"}`, `{"phone":"a","phone":"b"}`, `{"Phone":"a"}`, `{"phone":null}`, `{"phone":1}`, `{"phone":"\u0000"}`, `{"phone":"\ud800"}`,
		`{"phone":{"a":[]}}`, `{"phone":"a"}{}`, ` {"phone" : "\u0061" } `, `[]`, `null`, `"phone"`, ``, `{`, "{\"phone\":\"\xff\"}", `{"":1}`,
		strings.Repeat("[", 40), strings.Repeat(`{"phone":`, 20),
	} {
		f.Add([]byte(seed))
	}
	signIn := &asked{}
	handler := rest.Public(rest.Config{TestRoutes: true}, rest.Deps{SignIn: signIn}, core.SystemClock, slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, body []byte) {
		signIn.phone = ""
		r := httptest.NewRequest(http.MethodPost, "/api/client/auth/otp/request", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = "127.0.0.1:1" // free of limits
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.NoError(t, described.Check(r.Method, r.URL.Path, w.Code, w.Body.Bytes()), "%s", w.Body)
		if w.Code != http.StatusOK {
			require.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, w.Code)
			require.Empty(t, signIn.phone)
			return
		}
		var want struct {
			Phone *string `json:"phone"`
		}
		strict := json.NewDecoder(bytes.NewReader(body))
		strict.DisallowUnknownFields()
		require.NoError(t, strict.Decode(&want))
		require.Equal(t, *want.Phone, signIn.phone)
	})
}
