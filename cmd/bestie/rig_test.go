package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/protocol"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// The rig of the end-to-end tests: whole instances of the program on real stores, and apps that know nothing but the
// protocol.
//
//	w := newWorld(t)                       a database and a key prefix of its own
//	a, b := w.instance(), w.instance()     two instances on them, as serve runs them
//	mitra := a.mitra("Sari").connect()     signed in over REST, a socket on instance a, welcomed
//	mitra.do(protocol.PresenceSet{…})      a request and its ack; fails the test on an error
//	offer := await[protocol.Offer](mitra)  the next event of that kind, within patience

// patience is how long a test waits for what must happen. It is long because machines are slow; nothing waits it out when
// all is well.
const patience = time.Minute

// secret signs the access tokens of all instances.
const secret = "a secret of the end-to-end tests"

func TestMain(m *testing.M) {
	if os.Getenv(asBestie) != "" {
		main() // this binary stands in for bestie itself: see chaos_stand_test.go
	}
	waitTogether()
	before := goleak.IgnoreCurrent() // a library starts goroutines as it is loaded
	code := m.Run()
	pgtest.Stop()
	valkeytest.Stop()
	if code == 0 {
		if err := goleak.Find(before); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// waitTogether runs more tests at once than there are processors, unless told otherwise: they mostly wait, for sweeps and for
// stores that were broken.
func waitTogether() {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // it is there and takes a number
	}
}

// world is what instances share.
type world struct {
	t           *testing.T
	databaseURL string
	valkeyURL   string
	prefix      string
	phones      atomic.Int64
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, databaseURL: pgtest.URL(t)}
	w.valkeyURL, w.prefix = valkeytest.New(t)
	w.seed()
	return w
}

// seed writes what bestie seed does. A busy machine may need more than one try.
func (w *world) seed() {
	w.t.Helper()
	sh := &shell{out: io.Discard, err: io.Discard, environ: []string{"DATABASE_URL=" + w.databaseURL}}
	require.EventuallyWithT(w.t, func(c *assert.CollectT) {
		assert.NoError(c, perform(w.t.Context(), []string{"seed"}, sh))
	}, patience, askAgain)
}

// exec runs SQL past the program: settings for the test, and deadlines that are moved instead of waited for.
func (w *world) exec(sql string, args ...any) { pgtest.Exec(w.t, w.databaseURL, sql, args...) }

// set changes a row of app_config for the instances that are started after it.
func (w *world) set(key string, value int) {
	w.exec(`update app_config set value = to_jsonb($2::int) where key = $1`, key, value)
}

// count reads one number.
func (w *world) count(sql string) int64 { return pgtest.Value[int64](w.t, w.databaseURL, sql) }

// tokens signs many users in at once, as bestie token does.
func (w *world) tokens(user core.UserType, count int) []string {
	w.t.Helper()
	var out bytes.Buffer
	err := perform(w.t.Context(), []string{"token", "--user-type", string(user), "--count", strconv.Itoa(count)}, &shell{
		out: &out, err: io.Discard, environ: []string{"DATABASE_URL=" + w.databaseURL, "AUTH_JWT_SECRET=" + secret, "ENABLE_TEST_ROUTES=true"},
	})
	require.NoError(w.t, err)
	return strings.Fields(out.String())
}

// instance is one running program.
type instance struct {
	w       *world
	program *program
	end     context.CancelFunc
	ended   chan error
}

// instance starts one; settings are lines like those of the environment. It is drained at the end of the test if not before.
func (w *world) instance(settings ...string) *instance {
	w.t.Helper()
	return w.instanceAt(core.SystemClock, settings...)
}

// instanceAt starts one on a machine with that clock.
func (w *world) instanceAt(clock core.Clock, settings ...string) *instance {
	w.t.Helper()
	cfg, err := config.Load[config.Serve](append([]string{
		"DATABASE_URL=" + w.databaseURL, "DATABASE_MAX_CONNS=6", "VALKEY_URL=" + w.valkeyURL, "VALKEY_KEY_PREFIX=" + w.prefix,
		"AUTH_JWT_SECRET=" + secret, "PUBLIC_ADDR=127.0.0.1:0", "INTERNAL_ADDR=127.0.0.1:0",
		"ALLOW_DEV_PROVIDERS=true", "ENABLE_TEST_ROUTES=true", "DRAIN_SECONDS=0",
	}, settings...))
	require.NoError(w.t, err)
	log := slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, end := context.WithCancel(context.Background())
	p, err := newProgram(ctx, cfg, machine{clock: clock}, log)
	require.NoError(w.t, err)
	i := &instance{w: w, program: p, end: end, ended: make(chan error, 1)}
	go func() { i.ended <- p.Run(ctx) }()
	w.t.Cleanup(i.stop)
	select {
	case <-p.Started():
	case err := <-i.ended:
		i.ended <- err
		require.FailNow(w.t, "the instance did not start", "%v", err)
	case <-time.After(patience):
		require.FailNow(w.t, "the instance does not start")
	}
	return i
}

// stop drains the instance and waits for its end. Once is enough.
func (i *instance) stop() {
	i.end()
	select {
	case err := <-i.ended:
		i.ended <- err // for a second call
		require.NoError(i.w.t, err)
	case <-time.After(patience):
		require.FailNow(i.w.t, "the instance does not stop")
	}
}

// post sends JSON to a route of the public port, or of the internal one if its path says so, and reads the answer.
func (i *instance) post(path string, body, answer any) {
	i.w.t.Helper()
	host := i.program.PublicAddr()
	if strings.HasPrefix(path, "/internal/") {
		host = i.program.InternalAddr()
	}
	encoded, err := json.Marshal(body)
	require.NoError(i.w.t, err)
	request, err := http.NewRequestWithContext(i.w.t.Context(), http.MethodPost, "http://"+host.String()+path, bytes.NewReader(encoded))
	require.NoError(i.w.t, err)
	request.Header.Set("Content-Type", "application/json")
	i.roundTrip(request, answer)
}

// get reads JSON with an access token.
func (i *instance) get(path, token string, answer any) {
	i.w.t.Helper()
	request, err := http.NewRequestWithContext(i.w.t.Context(), http.MethodGet, "http://"+i.program.PublicAddr().String()+path, nil)
	require.NoError(i.w.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	i.roundTrip(request, answer)
}

// url is the public address.
func (i *instance) url() string { return "http://" + i.program.PublicAddr().String() }

// post sends JSON with the account's token and reads the answer.
func (a *account) post(path string, body, answer any) {
	a.w.t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(a.w.t, err)
	request, err := http.NewRequestWithContext(a.w.t.Context(), http.MethodPost, a.home.url()+path, bytes.NewReader(encoded))
	require.NoError(a.w.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+a.token)
	a.home.roundTrip(request, answer)
}

// roundTrip sends a request, wants a success, and reads the answer.
func (i *instance) roundTrip(request *http.Request, answer any) {
	i.w.t.Helper()
	status, content := i.w.exchange(request)
	require.Less(i.w.t, status, 300, "%s: %s", request.URL.Path, content)
	if answer != nil {
		require.NoError(i.w.t, json.Unmarshal(content, answer), "%s", content)
	}
}

// exchange sends a request and gives its answer, which is not "not now": the apps ask again then.
func (w *world) exchange(request *http.Request) (status int, content []byte) {
	w.t.Helper()
	request.Close = true // no idle connections for the leak check to find
	require.NoError(w.t, client.Patiently(request.Context(), func() (err error) {
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return err
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		status = response.StatusCode
		if content, err = io.ReadAll(response.Body); err == nil && status == http.StatusServiceUnavailable {
			err = &client.StatusError{Status: status, Message: string(content)}
		}
		return err
	}), "%s", request.URL.Path)
	return status, content
}

// account is somebody who signed in.
type account struct {
	w     *world
	home  *instance // where it signed in, and connects unless told otherwise
	token string

	refresh string // a customer's
}

// logout ends a customer's auth session.
func (a *account) logout() {
	a.w.t.Helper()
	a.home.post("/api/shared/auth/logout", map[string]string{"refresh_token": a.refresh}, nil)
}

// customer signs a new anonymous customer in.
func (i *instance) customer() *account {
	i.w.t.Helper()
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	i.post("/api/shared/auth/anonymous", struct{}{}, &tokens)
	return &account{w: i.w, home: i, token: tokens.AccessToken, refresh: tokens.RefreshToken}
}

// mitra makes a new mitra and signs it in.
func (i *instance) mitra(name string) *account {
	i.w.t.Helper()
	var seeded struct {
		AccessToken string `json:"access_token"`
	}
	phone := fmt.Sprintf("+628119%07d", i.w.phones.Add(1))
	i.post("/internal/_test/seed-mitra", map[string]string{"phone": phone, "display_name": name}, &seeded)
	return &account{w: i.w, home: i, token: seeded.AccessToken}
}

// freePackage is what costs nothing, so that an accept leads straight to an active session.
func (a *account) freePackage() protocol.UUID {
	return a.packageWhere(func(price int64) bool { return price == 0 })
}

// paidPackage is what has to be paid for.
func (a *account) paidPackage() protocol.UUID {
	return a.packageWhere(func(price int64) bool { return price > 0 })
}

func (a *account) packageWhere(fits func(price int64) bool) protocol.UUID {
	a.w.t.Helper()
	var list struct {
		Items []struct {
			ID    string `json:"id"`
			Price int64  `json:"price"`
		} `json:"items"`
	}
	a.home.get("/api/client/packages", a.token, &list)
	for _, item := range list.Items {
		if fits(item.Price) {
			id, err := protocol.ParseUUID(item.ID)
			require.NoError(a.w.t, err)
			return id
		}
	}
	require.FailNow(a.w.t, "no such package on sale")
	return protocol.UUID{}
}
