package console_test

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

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/gateway/rest"
	"github.com/halobestie/bestie-gateway/gateway/rest/console"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
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

const password = "Benar-benar 1"

var secret = bytes.Repeat([]byte("s"), 32)

// house is the internal router over the real rooms on a database of its own. Every answer is held against the description.
type house struct {
	t         *testing.T
	url       string // of the database
	db        *postgres.DB
	auth      *auth.Service
	server    *httptest.Server
	described *openapi.Document
	boss, ani person // an admin, and an operator who is none
	fleet     *fleet
}

// person is an operator who is signed in.
type person struct {
	id    core.OperatorID
	token string
}

// fleet stands in for Valkey: the instances and the mirror's counts.
type fleet struct {
	mu  sync.Mutex
	err error
}

func (f *fleet) Instances(context.Context) ([]admin.Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	return []admin.Instance{{ID: "a", Address: "10.0.0.1:3000", Version: "v1", Mitras: 2, Customers: 3}, {ID: "b", Mitras: 1}}, nil
}

func (f *fleet) Counts(context.Context) (online, available int, err error) { return 7, 5, nil }

func (f *fleet) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

type readiness struct{}

func (readiness) Ready(context.Context) rest.Ready { return rest.Ready{OK: true} }

func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, url: pgtest.URL(t), fleet: &fleet{}, described: described}
	h.db = pgtest.Open(t, h.url, postgres.Options{})
	log := slog.New(slog.DiscardHandler)
	accounts := h.db.Accounts()
	var err error
	h.auth, err = auth.New(auth.Config{Secret: secret, PasswordCost: bcrypt.MinCost}, auth.Deps{
		Accounts: accounts, Sessions: accounts, Codes: accounts, Operators: accounts, Tests: accounts,
		Settings: h.db.Settings().Current, Clock: core.SystemClock, Log: log,
	})
	require.NoError(t, err)
	service := admin.NewService(h.db.Admin().Stores(), admin.Deps{
		Passwords: h.auth, Presence: h.fleet, Fleet: h.fleet, Phone: auth.NormalizePhone, Email: auth.NormalizeEmail, Clock: core.SystemClock,
	})
	text, err := h.described.Text()
	require.NoError(t, err)
	h.server = httptest.NewServer(rest.Internal(rest.Config{}, rest.Deps{
		Tokens: h.auth, SignIn: h.auth, Operators: h.auth, Catalogue: h.db.Chat(), Readiness: readiness{}, Description: text,
	}, core.SystemClock, log, console.Routes(service)...))
	t.Cleanup(h.server.Close)
	h.boss, h.ani = h.operator("boss@halo.test", core.Admin), h.operator("ani@halo.test", core.Attendant)
	return h
}

// operator makes one and signs it in.
func (h *house) operator(email string, role core.Role) person {
	h.t.Helper()
	p := person{id: core.NewID[core.OperatorID]()}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // compared as fast
	require.NoError(h.t, err)
	h.exec(`insert into control_center_users (id, email, display_name, role, password_hash) values ($1, $2, 'O', $3, $4)`, p.id, email, role, string(hash))
	p.token = h.signIn(email, password)
	return p
}

func (h *house) signIn(email, password string) string {
	h.t.Helper()
	tokens, err := h.auth.LogIn(h.t.Context(), email, password, auth.Device{})
	require.NoError(h.t, err)
	return tokens.Access
}

func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	pgtest.Exec(h.t, h.url, sql, args...)
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	text   string
	body   map[string]any
}

// as sends a request with an operator's token; body "" is none. Headers come in pairs.
func (h *house) as(who person, method, path, body string, headers ...string) answer {
	h.t.Helper()
	return h.do(method, path, body, append([]string{"Authorization", "Bearer " + who.token}, headers...)...)
}

func (h *house) do(method, path, body string, headers ...string) answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+path, strings.NewReader(body))
	require.NoError(h.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := h.server.Client().Do(r)
	require.NoError(h.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(h.t, err)
	a := answer{t: h.t, status: response.StatusCode, text: string(text)}
	route, _, _ := strings.Cut(path, "?")
	require.NoError(h.t, h.described.Check(method, route, a.status, text), a.text)
	if len(text) > 0 {
		require.NoError(h.t, json.Unmarshal(text, &a.body), a.text)
	}
	seen.Note(h.described, method, route, a.status, text)
	return a
}

func (a answer) ok(status int) map[string]any {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.text)
	return a.body
}

// failed wants an error with its code and the field that is to blame.
func (a answer) failed(status int, code core.Code, field string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.text)
	failure := a.body["error"].(map[string]any)
	require.Equal(a.t, string(code), failure["code"], a.text)
	got, _ := failure["field"].(string)
	require.Equal(a.t, field, got, a.text)
}

// items are those of a list.
func (a answer) items() (all []map[string]any) {
	a.t.Helper()
	for _, item := range a.ok(http.StatusOK)["items"].([]any) {
		all = append(all, item.(map[string]any))
	}
	return all
}

// mitra makes one over the interface and gives its id.
func (h *house) mitra(phone, name string) string {
	h.t.Helper()
	return h.as(h.ani, "POST", "/internal/mitras", `{"phone":"`+phone+`","display_name":"`+name+`"}`).ok(http.StatusCreated)["id"].(string)
}

// talk makes an active session and gives the ids of it, its customer and its mitra.
func (h *house) talk() (session, customer, mitra string) {
	h.t.Helper()
	s, c, m := core.NewID[core.SessionID](), core.NewID[core.CustomerID](), core.NewID[core.MitraID]()
	h.exec(`insert into customers (id, display_name, phone) values ($1, 'Budi', '+62811' || floor(random() * 100000000)::bigint)`, c)
	h.exec(`insert into mitras (id, phone, display_name, mode) values ($1, '+62812' || floor(random() * 100000000)::bigint, 'Sari', 'online')`, m)
	h.exec(`insert into session_packages (id, name, duration_minutes, price) values ('01980000-0000-7000-8000-0000000000ff', 'P', 10, 0) on conflict do nothing`)
	h.exec(`insert into chat_sessions (id, customer_id, mitra_id, package_id, status, duration_minutes, price, search_deadline_at, started_at, warn_at, ends_at)
		values ($1, $2, $3, '01980000-0000-7000-8000-0000000000ff', 'active', 10, 0, now(), now(), now() + interval '9 minutes', now() + interval '10 minutes')`, s, c, m)
	h.exec(`insert into session_events (session_id, to_status, actor_type, actor_id) values ($1, 'searching', 'customer', $2)`, s, c)
	h.exec(`insert into session_waves (session_id, number, offered, considered)
		values ($1, 1, 1, jsonb_build_array(jsonb_build_object('mitra_id', $2::uuid, 'why', 'offered')))`, s, m)
	h.exec(`insert into session_offers (id, session_id, mitra_id, wave, status, expires_at, closed_at) values (gen_random_uuid(), $1, $2, 1, 'accepted', now(), now())`, s, m)
	return s.String(), c.String(), m.String()
}
