package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/protocol"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// execute runs a command line in an environment of its own.
func execute(t *testing.T, environ []string, args ...string) (code int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, &shell{environ: environ, out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestHelp_TeachesEveryCommand(t *testing.T) {
	t.Parallel()
	code, overview, _ := execute(t, nil, "help")
	require.Equal(t, exitDone, code)
	for _, cmd := range commands() {
		t.Run(cmd.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, overview, cmd.summary)
			code, help, complaints := execute(t, nil, cmd.name, "--help")
			require.Equal(t, exitDone, code)
			require.Empty(t, complaints)
			_, same, _ := execute(t, nil, "help", cmd.name)
			require.Equal(t, help, same)
			require.Contains(t, help, "Usage: bestie "+cmd.name)
			require.Contains(t, help, "Example:\n  ")
			require.Contains(t, help, wrap(cmd.about))
			cmd.flags.VisitAll(func(f *flag.Flag) {
				require.Contains(t, help, "--"+f.Name)
				require.NotEmpty(t, f.Usage, "--%s says nothing", f.Name)
			})
			for _, s := range cmd.settings {
				require.Contains(t, help, s.Name)
			}
		})
	}
}

func TestCommandLine_Misuse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                           "which command?",
		"fly":                        `there is no command "fly"; there are: dev, sim, token, serve, migrate, seed, check, spec, version, help`,
		"help fly":                   `there is no command "fly"`,
		"token --user-typ mitra":     "its flags are --count, --dir, --user-type (see: bestie help token)",
		"token --count many":         `invalid value "many"`,
		"token --user-type operator": "--user-type must be customer or mitra",
		"token --count 0":            "--count must be at least 1",
		"version now":                `version takes no argument "now"; it has no flags`,
		"spec":                       "There are: bestie spec asyncapi, bestie spec openapi",
		"spec json":                  "There are: bestie spec asyncapi, bestie spec openapi",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			code, out, complaints := execute(t, nil, strings.Fields(line)...)
			require.Equal(t, exitMisuse, code)
			require.Empty(t, out)
			require.Contains(t, complaints, want)
		})
	}
}

func TestSpec(t *testing.T) {
	t.Parallel()
	code, out, _ := execute(t, nil, "spec", "asyncapi")
	require.Equal(t, exitDone, code)
	require.Equal(t, string(protocol.AsyncAPI()), out)

	code, out, _ = execute(t, nil, "spec", "openapi")
	require.Equal(t, exitDone, code)
	var described struct {
		OpenAPI string
		Paths   map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(out), &described))
	require.Equal(t, "3.1.0", described.OpenAPI)
	require.Contains(t, described.Paths, "/internal/mitras/{id}/status")
	require.Contains(t, described.Paths, "/api/client/packages")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, out, _ := execute(t, nil, "version")
	require.Equal(t, exitDone, code)
	require.Regexp(t, `^bestie \S+, go\S+, \w+/\w+\n$`, out)
}

func TestServe_Refuses(t *testing.T) {
	t.Parallel()
	enough := []string{
		"DATABASE_URL=postgres://127.0.0.1:1/x", "VALKEY_URL=redis://127.0.0.1:1", "AUTH_JWT_SECRET=" + strings.Repeat("s", 32),
	}
	for name, c := range map[string]struct {
		environ []string
		want    []string
	}{
		"nothing set":      {nil, []string{"AUTH_JWT_SECRET is missing", "DATABASE_URL is missing", "VALKEY_URL is missing"}},
		"the log provider": {enough, []string{"OTP_PROVIDER log", "PAYMENT_PROVIDER sandbox", "ALLOW_DEV_PROVIDERS=true"}},
		"pushes to nobody": {append(enough, "OTP_PROVIDER=log"), []string{"PUSH_PROVIDER log", "fcm"}},
		"a bad push key":   {append(enough, "ALLOW_DEV_PROVIDERS=true", "PUSH_PROVIDER=fcm", `FCM_CREDENTIALS_JSON={"private_key": "hunter2"}`), []string{"FCM_CREDENTIALS_JSON is refused"}},
		"no push key":      {append(enough, "ALLOW_DEV_PROVIDERS=true", "PUSH_PROVIDER=fcm", "FCM_CREDENTIALS_FILE=/nowhere/key.json"), []string{"FCM_CREDENTIALS_FILE cannot be read"}},
		"a plain cookie":   {append(enough, "CC_PLAIN_COOKIE=true"), []string{"CC_PLAIN_COOKIE", "without TLS"}},
		"a bad Apple key": {
			append(enough, "ALLOW_DEV_PROVIDERS=true", "APPLE_SERVICES_ID=a", "APPLE_TEAM_ID=T", "APPLE_KEY_ID=K", "APPLE_PRIVATE_KEY=hunter2"),
			[]string{"APPLE_PRIVATE_KEY is not a P-256 key"},
		},
		"Fazpass without keys": {append(enough, "OTP_PROVIDER=fazpass"), []string{"FAZPASS_MERCHANT_KEY is missing", "FAZPASS_GATEWAY_KEY is missing"}},
		"public test routes":   {append(enough, "ALLOW_DEV_PROVIDERS=true", "ENABLE_TEST_ROUTES=true", "INTERNAL_ADDR=0.0.0.0:3001"), []string{"ENABLE_TEST_ROUTES", "loopback"}},
		"both of them at once": {append(enough, "ENABLE_TEST_ROUTES=true", "INTERNAL_ADDR=:3001"), []string{"OTP_PROVIDER", "ENABLE_TEST_ROUTES"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, complaints := execute(t, c.environ, "serve")
			require.Equal(t, exitMisuse, code)
			require.NotContains(t, complaints, "hunter2")
			for _, want := range c.want {
				require.Contains(t, complaints, want)
			}
		})
	}
}

func TestServe_RefusesAnOlderSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	pgtest.Exec(t, url, `delete from goose_db_version where version_id > 0`)
	valkeyURL, prefix := valkeytest.New(t)
	code, _, complaints := execute(t, []string{
		"DATABASE_URL=" + url, "VALKEY_URL=" + valkeyURL, "VALKEY_KEY_PREFIX=" + prefix, "AUTH_JWT_SECRET=" + strings.Repeat("s", 32),
		"ALLOW_DEV_PROVIDERS=true", "PUBLIC_ADDR=127.0.0.1:0", "INTERNAL_ADDR=127.0.0.1:0",
	}, "serve")
	require.Equal(t, exitFailed, code)
	require.Contains(t, complaints, "bestie migrate")
}

func TestSeed_IsIdempotent(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	environ := []string{"DATABASE_URL=" + url, "ADMIN_EMAIL=Ops@Example.com", "ADMIN_PASSWORD=Correct1Horse"}
	for range 2 {
		code, _, complaints := execute(t, environ, "seed")
		require.Equal(t, exitDone, code, complaints)
		require.NotContains(t, complaints, "Correct1Horse")
	}
	require.Equal(t, int64(1), pgtest.Value[int64](t, url, `select count(*) from control_center_users where email = 'ops@example.com'`))
	cost, err := bcrypt.Cost([]byte(pgtest.Value[string](t, url, `select password_hash from control_center_users`)))
	require.NoError(t, err)
	require.Equal(t, 12, cost)
	require.Equal(t, int64(1), pgtest.Value[int64](t, url, `select count(*) from session_packages where price = 0`))

	code, _, complaints := execute(t, []string{"DATABASE_URL=" + url, "ADMIN_EMAIL=b@example.com", "ADMIN_PASSWORD=weak"}, "seed")
	require.Equal(t, exitMisuse, code)
	require.Contains(t, complaints, "ADMIN_PASSWORD")
	code, _, complaints = execute(t, []string{"DATABASE_URL=" + url, "ADMIN_EMAIL=b@example.com"}, "seed")
	require.Equal(t, exitMisuse, code)
	require.Contains(t, complaints, "ADMIN_PASSWORD is missing")
}

func TestMigrate_MayRunAgain(t *testing.T) {
	t.Parallel()
	code, out, complaints := execute(t, []string{"DATABASE_URL=" + pgtest.URL(t)}, "migrate")
	require.Equal(t, exitDone, code, complaints)
	require.Contains(t, out, "up to date")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	valkeyURL, prefix := valkeytest.New(t)
	good := []string{
		"DATABASE_URL=" + pgtest.URL(t), "VALKEY_URL=" + valkeyURL, "VALKEY_KEY_PREFIX=" + prefix,
		"AUTH_JWT_SECRET=" + strings.Repeat("s", 32), "ALLOW_DEV_PROVIDERS=true",
	}
	code, out, complaints := execute(t, good, "check")
	require.Equal(t, exitDone, code, "%s%s", out, complaints)
	require.Contains(t, out, "good  Postgres")
	require.Contains(t, out, "good  Valkey")

	code, out, _ = execute(t, append(good, "WS_IDLE_TIMEOUT=45", "LOG_FORMAT=xml", "DATABASE_MAX_CONNS=0"), "check")
	require.Equal(t, exitMisuse, code)
	require.Contains(t, out, "bad   WS_IDLE_TIMEOUT is not a setting of this version (did you mean WS_IDLE_TIMEOUT_SECONDS?)")
	require.Contains(t, out, "bad   LOG_FORMAT")
	require.Contains(t, out, "bad   DATABASE_MAX_CONNS")

	code, out, _ = execute(t, append(good, "DATABASE_URL=postgres://u:hunter2@127.0.0.1:1/x", "VALKEY_URL=redis://:hunter2@127.0.0.1:1"), "check")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "bad   Postgres")
	require.Contains(t, out, "bad   Valkey")
	require.NotContains(t, out, "hunter2")
}

func TestToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	environ := []string{"DATABASE_URL=" + w.databaseURL, "AUTH_JWT_SECRET=" + secret}
	code, _, complaints := execute(t, environ, "token")
	require.Equal(t, exitMisuse, code)
	require.Contains(t, complaints, "ENABLE_TEST_ROUTES")

	code, out, complaints := execute(t, append(environ, "ENABLE_TEST_ROUTES=true"), "token", "--user-type", "mitra", "--count", "3")
	require.Equal(t, exitDone, code, complaints)
	tokens := strings.Fields(out)
	require.Len(t, tokens, 3)
	a := w.instance()
	users := map[protocol.UUID]bool{}
	for _, token := range tokens {
		socket := (&account{w: w, home: a, token: token}).connect()
		require.Equal(t, protocol.RoleMitra, socket.welcome.UserType)
		users[socket.welcome.UserID] = true
	}
	require.Len(t, users, 3, "each of another user")
}

func TestToken_WithoutDatabaseOrDev(t *testing.T) {
	t.Parallel()
	code, _, complaints := execute(t, nil, "token", "--dir", t.TempDir())
	require.Equal(t, exitMisuse, code)
	require.Contains(t, complaints, "no bestie dev is running")
}

func TestDen_KeepsItsSecretsBetweenRuns(t *testing.T) {
	t.Parallel()
	d, err := openDen(t.TempDir())
	require.NoError(t, err)
	first, err := d.environ([]string{"ADMIN_EMAIL=", "LOG_LEVEL=debug"})
	require.NoError(t, err)
	second, err := d.environ([]string{"ADMIN_EMAIL=", "LOG_LEVEL=debug"})
	require.NoError(t, err)
	require.Equal(t, first, second)
	c, err := config.Load[config.All](append(first, "DATABASE_URL=postgres://x/x", "VALKEY_URL=redis://x"))
	require.NoError(t, err)
	require.Equal(t, "operator@example.com", c.AdminEmail)
	require.Equal(t, "DEBUG", c.LogLevel.String(), "the environment wins")
	require.Empty(t, refusals(c.Serve))
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:3001": true, "127.9.9.9:1": true, "[::1]:3001": true, "localhost:3001": true,
		":3001": false, "0.0.0.0:3001": false, "10.0.0.1:3001": false, "internal:3001": false, "3001": false,
	} {
		require.Equal(t, want, isLoopback(addr), addr)
	}
}
