package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if code == 0 {
		code = report(neverSeen())
	}
	if err := goleak.Find(); code == 0 && err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

const phone = "+6281234567890"

var secret = bytes.Repeat([]byte("s"), 32)

// house is both routers over the real service on a database of its own.
type house struct {
	t                *testing.T
	url              string // of the database
	db               *postgres.DB
	service          *auth.Service
	codes            chan string
	vendor           *vendor
	statements       counting
	readiness        *readiness
	public, internal *httptest.Server
	log              *lines
}

// readiness is what the test says it is.
type readiness struct {
	mu    sync.Mutex
	ready rest.Ready
}

func (r *readiness) Ready(context.Context) rest.Ready {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// inbox is a code provider that hands codes to the test.
type inbox chan string

// blocked is a phone that the provider sends nothing to.
const blocked = "+6281100000000"

func (i inbox) SendCode(ctx context.Context, _ core.UserType, phone, code string) error {
	if phone == blocked {
		return core.Errorf(core.AttemptsExceeded, "the provider blocks the phone")
	}
	select {
	case i <- code:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func open(t *testing.T) *house { return openWith(t, rest.Config{TestRoutes: true}, nil) }

// openWith lets a test configure the routers and put other ports in.
func openWith(t *testing.T, cfg rest.Config, change func(*rest.Deps)) *house {
	t.Helper()
	h := &house{t: t, url: pgtest.URL(t), codes: make(chan string, 100), log: &lines{}, readiness: &readiness{ready: rest.Ready{OK: true}}}
	h.db = pgtest.Open(t, h.url, postgres.Options{MaxConns: 12, Tracer: &h.statements})
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	accounts := h.db.Accounts()
	h.vendor = newVendor(t)
	google, apple := h.vendor.verifiers()
	var err error
	h.service, err = auth.New(auth.Config{Secret: secret, PasswordCost: bcrypt.MinCost}, auth.Deps{
		Accounts: accounts, Sessions: accounts, Codes: accounts, Operators: accounts, Customers: accounts, Tests: accounts, Sender: inbox(h.codes),
		Google: google, Apple: apple, Grants: apple, AppleTokens: accounts,
		Settings: h.db.Settings().Current, Clock: core.SystemClock, Log: log,
	})
	require.NoError(t, err)
	h.run()

	deps := rest.Deps{
		Tokens: h.service, SignIn: h.service, Accounts: h.service, Operators: h.service, TestAccounts: h.service, Catalogue: h.db.Chat(), Readiness: h.readiness,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "bestie_up 1\n") }),
	}
	if change != nil {
		change(&deps)
	}
	now := time.Now()
	stopped := func() time.Time { return now } // nobody gets requests back because the machine is slow
	h.public = httptest.NewServer(rest.Public(cfg, deps, stopped, log))
	t.Cleanup(h.public.Close)
	h.internal = httptest.NewServer(rest.Internal(cfg, deps, stopped, log))
	t.Cleanup(h.internal.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return h
}

func (h *house) run() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.service.Run(ctx, nil) }()
	h.t.Cleanup(func() {
		stop()
		require.NoError(h.t, <-done)
	})
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		Error struct {
			Code         core.Code `json:"code"`
			Message      string    `json:"message"`
			Field        string    `json:"field"`
			RetryAfter   int       `json:"retry_after_seconds"`
			AttemptsLeft *int      `json:"attempts_left"`
			RequestID    string    `json:"request_id"`
		} `json:"error"`
		AccessToken          string           `json:"access_token"`
		AccessTokenExpiresAt int64            `json:"access_token_expires_at"`
		RefreshToken         string           `json:"refresh_token"`
		User                 account          `json:"user"`
		Mitra                account          `json:"mitra"`
		ID                   string           `json:"otp_request_id"`
		ResendAfter          int              `json:"resend_after_seconds"`
		ExpiresIn            int              `json:"expires_in_seconds"`
		Items                []map[string]any `json:"items"`
	}
}

type account struct {
	ID          string `json:"id"`
	UserType    string `json:"user_type"`
	DisplayName string `json:"display_name"`
	Phone       string `json:"phone"`
	IsAnonymous bool   `json:"is_anonymous"`
	CreatedAt   int64  `json:"created_at"`
}

// do sends a request; body "" is none. Headers come in pairs, and may repeat.
func (h *house) do(server *httptest.Server, method, path, body string, headers ...string) answer {
	h.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(h.t.Context(), method, server.URL+path, content)
	require.NoError(h.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Content-Type" {
			r.Header.Del("Content-Type")
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := server.Client().Do(r)
	require.NoError(h.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(h.t, err)
	got := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	h.asDescribed(server, method, path, got)
	if len(text) > 0 && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		require.NoError(h.t, json.Unmarshal(text, &got.body), "%s", text)
	}
	return got
}

// asDescribed holds the answer of a route that the router has to its description.
func (h *house) asDescribed(server *httptest.Server, method, path string, got answer) {
	h.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	inside := strings.HasPrefix(path, "/internal/")
	absent := inside && strings.HasPrefix(path, "/internal/_test/") && got.status == http.StatusNotFound
	if described.Template(method, path) != "" && inside == (server == h.internal) && !absent {
		require.NoError(h.t, described.Check(method, path, got.status, []byte(got.text)), "%s", got.text)
	}
	if described.Template(method, path) != "" {
		seen.Note(described, method, path, got.status, []byte(got.text))
	}
}

func (h *house) post(path, body string, headers ...string) answer {
	h.t.Helper()
	return h.do(h.public, http.MethodPost, path, body, headers...)
}

func (h *house) get(path string, headers ...string) answer {
	h.t.Helper()
	return h.do(h.public, http.MethodGet, path, "", headers...)
}

// failed wants an error in the one form, with its status.
func (a answer) failed(t *testing.T, status int, code core.Code) {
	t.Helper()
	require.Equal(t, code, a.body.Error.Code, "%s", a.text)
	require.Equal(t, status, a.status, "%s", a.text)
	require.NotEmpty(t, a.body.Error.Message)
	require.NotEmpty(t, a.body.Error.RequestID)
	require.Equal(t, a.header.Get("X-Request-Id"), a.body.Error.RequestID)
}

func (a answer) ok(t *testing.T, status int) answer {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.text)
	return a
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// asked asks for a code and gives the request's id with it.
func (h *house) asked(app, to string) (id, code string) {
	h.t.Helper()
	ticket := h.post("/api/"+app+"/auth/otp/request", `{"phone":"`+to+`"}`).ok(h.t, http.StatusOK)
	require.Equal(h.t, 60, ticket.body.ResendAfter)
	require.Equal(h.t, 300, ticket.body.ExpiresIn)
	return ticket.body.ID, <-h.codes
}

// wait moves all codes back in time, so that the resend and hourly limits have passed.
func (h *house) wait() {
	h.t.Helper()
	pgtest.Exec(h.t, h.url, `update otp_requests set created_at = created_at - interval '2 hours'`)
}

func (h *house) signedIn() answer {
	h.t.Helper()
	return h.post("/api/shared/auth/anonymous", "").ok(h.t, http.StatusCreated)
}

func soon(t *testing.T, at int64) {
	t.Helper()
	require.WithinDuration(t, time.Now().Add(time.Hour), time.UnixMilli(at), time.Minute)
}
