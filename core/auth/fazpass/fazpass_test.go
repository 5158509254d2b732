package fazpass_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth/fazpass"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	phone    = "+6281234567890"
	otp      = "493817"
	merchant = "merchant-key-of-a-test"
	gateway  = "1f0e8a52-0000-4000-8000-000000000001"
)

// vendor is a local server that speaks the documented form.
type vendor struct {
	calls  atomic.Int64
	answer func(call int64, w http.ResponseWriter)
}

func serve(t *testing.T, cfg fazpass.Config, answer func(call int64, w http.ResponseWriter)) (*fazpass.Sender, *vendor) {
	t.Helper()
	v := &vendor{answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := v.calls.Add(1)
		if r.Method != http.MethodPost || r.URL.Path != "/v1/otp/send" || r.Header.Get("Authorization") != "Bearer "+merchant {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var body map[string]string
		if json.NewDecoder(r.Body).Decode(&body) != nil || body["phone"] != "6281234567890" || body["gateway_key"] != gateway || body["otp"] != otp || len(body) != 3 {
			reply(w, 422, "4220201")
			return
		}
		v.answer(call, w)
	}))
	t.Cleanup(server.Close)
	cfg.URL = server.URL
	if cfg.MerchantKey == "" {
		cfg.MerchantKey, cfg.GatewayKey = merchant, gateway
	}
	sender, err := fazpass.New(cfg)
	require.NoError(t, err)
	t.Cleanup(sender.Close)
	return sender, v
}

func reply(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%t,"message":"a message that echoes %s","code":%q,"data":{"id":"x","otp":"XXXXXX","channel":"WA_LONG_NUMBER"}}`,
		status == 200, otp, code)
}

func TestSendCode(t *testing.T) {
	t.Parallel()
	sender, v := serve(t, fazpass.Config{}, func(_ int64, w http.ResponseWriter) { reply(w, 200, "2000200") })
	require.NoError(t, sender.SendCode(t.Context(), core.Mitra, phone, otp))
	require.EqualValues(t, 1, v.calls.Load())
}

func TestSendCode_EveryCode(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]core.Code{
		"4000201": core.Unavailable, "4000205": core.Unavailable, "4000206": core.Unavailable, "4000207": core.Unavailable,
		"4010207": core.Unavailable, "4010208": core.RateLimited, "4020201": core.Unavailable, "4030201": core.CodeMismatch,
		"4030202": core.OTPExpired, "4030203": core.OTPUsed, "4040201": core.OTPExpired, "4040202": core.OTPExpired,
		"4050201": core.Unavailable, "4050202": core.Unavailable, "4050203": core.Unavailable, "4050204": core.Unavailable,
		"4220201": core.Unavailable, "4220202": core.Unavailable, "4220205": core.BadMessage, "4220206": core.BadMessage,
		"4220207": core.Unavailable, "4220208": core.Unavailable, "4220209": core.CodeMismatch, "4220210": core.BadMessage,
		"4290201": core.AttemptsExceeded, "4290202": core.Unavailable, "5000200": core.Unavailable, "5000202": core.Unavailable,
		"5010201": core.Unavailable, "9999999": core.Unavailable, "": core.Unavailable, otp: core.Unavailable,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			status := 400
			if len(code) == 7 && code[0] != '9' {
				_, err := fmt.Sscanf(code[:3], "%d", &status)
				require.NoError(t, err)
			}
			sender, v := serve(t, fazpass.Config{}, func(_ int64, w http.ResponseWriter) { reply(w, status, code) })
			err := sender.SendCode(t.Context(), core.Customer, phone, otp)
			require.Equal(t, want, core.CodeOf(err))
			require.EqualValues(t, 1, v.calls.Load(), "nothing is sent twice")
			require.NotContains(t, err.Error(), merchant)
			require.NotContains(t, err.Error(), otp)
			var coded *core.Error
			require.ErrorAs(t, err, &coded)
			if want == core.AttemptsExceeded {
				require.Equal(t, 24*time.Hour, coded.RetryAfter)
			}
			if want == core.BadMessage {
				require.Equal(t, "phone", coded.Field)
			}
		})
	}
}

// Their own supplier was out: they said that nothing was sent, so it is tried once more, and no more than once.
func TestSendCode_ASupplierThatIsOut(t *testing.T) {
	t.Parallel()
	for code := 5030200; code <= 5030207; code++ {
		sender, v := serve(t, fazpass.Config{}, func(call int64, w http.ResponseWriter) {
			if call == 1 {
				reply(w, 503, fmt.Sprint(code))
			} else {
				reply(w, 200, "2000200")
			}
		})
		require.NoError(t, sender.SendCode(t.Context(), core.Customer, phone, otp))
		require.EqualValues(t, 2, v.calls.Load())
	}
	sender, v := serve(t, fazpass.Config{}, func(_ int64, w http.ResponseWriter) { reply(w, 503, "5030201") })
	err := sender.SendCode(t.Context(), core.Customer, phone, otp)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	require.ErrorContains(t, err, "supplier is out")
	require.EqualValues(t, 2, v.calls.Load())
}

// Whether a message that was not answered in time was sent, nobody knows: a second one would cost a second time.
func TestSendCode_ErrSlowIsNotSentAgain(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	sender, v := serve(t, fazpass.Config{Timeout: 50 * time.Millisecond}, func(int64, http.ResponseWriter) { <-over })
	t.Cleanup(func() { close(over) })
	err := sender.SendCode(t.Context(), core.Customer, phone, otp)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	require.EqualValues(t, 1, v.calls.Load())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, core.Unavailable, core.CodeOf(sender.SendCode(ctx, core.Customer, phone, otp)))
}

func TestSendCode_ErrFailing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(call int64, w http.ResponseWriter){
		"a page": func(_ int64, w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>502</html>") },
		"cut off": func(_ int64, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		},
		"hung up":        func(int64, http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"200, and no":    func(_ int64, w http.ResponseWriter) { _, _ = io.WriteString(w, `{"status":false,"code":"4020201"}`) },
		"a number":       func(_ int64, w http.ResponseWriter) { w.WriteHeader(402); _, _ = io.WriteString(w, `{"code":4020201}`) },
		"an object":      func(_ int64, w http.ResponseWriter) { w.WriteHeader(402); _, _ = io.WriteString(w, `{"code":{}}`) },
		"a redirect":     func(_ int64, w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(307) },
		"more than ours": func(_ int64, w http.ResponseWriter) { _, _ = w.Write(make([]byte, 1<<20)) },
		"not let in":     func(_ int64, w http.ResponseWriter) { w.WriteHeader(403); _, _ = io.WriteString(w, `{"status":false}`) },
		"nothing at all": func(_ int64, w http.ResponseWriter) { w.WriteHeader(500) },
		"a code of words": func(_ int64, w http.ResponseWriter) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"code":"`+merchant+`"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sender, v := serve(t, fazpass.Config{}, answer)
			err := sender.SendCode(t.Context(), core.Customer, phone, otp)
			require.Equal(t, core.Unavailable, core.CodeOf(err))
			require.NotContains(t, err.Error(), merchant)
			require.EqualValues(t, 1, v.calls.Load())
		})
	}
	sender, err := fazpass.New(fazpass.Config{MerchantKey: merchant, GatewayKey: gateway, URL: "http://127.0.0.1:1"})
	require.NoError(t, err)
	require.Equal(t, core.Unavailable, core.CodeOf(sender.SendCode(t.Context(), core.Customer, phone, otp)))
}

func TestNew_ErrKeys(t *testing.T) {
	t.Parallel()
	_, err := fazpass.New(fazpass.Config{GatewayKey: gateway})
	require.Error(t, err)
	_, err = fazpass.New(fazpass.Config{MerchantKey: merchant})
	require.Error(t, err)
}
