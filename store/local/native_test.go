package local

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"
)

// patience bounds what takes milliseconds when all is well, and a fetch of packages when it is the first time.
const patience = 3 * time.Minute

// soon is how long a frozen server is given to prove that it does not answer.
const soon = 150 * time.Millisecond

func TestPostgresLife(t *testing.T) {
	t.Parallel()
	s, err := Postgres(t.Context(), Options{Private: true, Progress: logTo(t)})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.False(t, s.External())
	dir := s.engine.(*native).place.dir

	conn := connect(t, s)
	execute(t, conn, "create table kept (n int)")
	execute(t, conn, "insert into kept values (42)")
	require.ErrorContains(t, s.Start(t.Context()), "runs already")

	require.NoError(t, s.Pause())
	short, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.Error(t, conn.Ping(short), "an open connection is frozen too")
	require.NoError(t, s.Resume())

	conn = connect(t, s)
	require.NoError(t, s.Kill())
	require.Error(t, conn.Ping(t.Context()))
	require.FileExists(t, filepath.Join(dir, dataName, "postmaster.pid"), "a crash leaves it, and it must not hinder the start")
	require.NoError(t, s.Start(t.Context()))
	var n int
	require.NoError(t, connect(t, s).QueryRow(t.Context(), "select n from kept").Scan(&n))
	require.Equal(t, 42, n, "same address, same data")

	require.NoError(t, s.Pause(), "a frozen server can be stopped")
	s.Stop()
	require.NoDirExists(t, dir)
	s.Stop()
	require.ErrorContains(t, s.Start(t.Context()), "stopped for good")
}

func TestPostgresDurable(t *testing.T) {
	t.Parallel()
	o := Options{Private: true, Durable: true, Dir: openFolder(t), Progress: logTo(t)}
	first, err := Postgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(first.Stop)
	conn := connect(t, first)
	execute(t, conn, "create table kept (n int)")
	var fsync string
	require.NoError(t, conn.QueryRow(t.Context(), "show fsync").Scan(&fsync))
	require.Equal(t, "on", fsync)

	_, err = Postgres(t.Context(), o)
	require.ErrorContains(t, err, "in use by another bestie")

	first.Stop()
	stale := filepath.Join(o.Dir, "postgres", dataName, "postmaster.pid")
	require.NoError(t, os.WriteFile(stale, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644))

	second, err := Postgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(second.Stop)
	execute(t, connect(t, second), "select n from kept")
}

func TestPostgresWrongVersion(t *testing.T) {
	t.Parallel()
	o := Options{Private: true, Durable: true, Dir: openFolder(t)}
	data := filepath.Join(o.Dir, "postgres", dataName)
	require.NoError(t, os.MkdirAll(data, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("3\n"), 0o644))
	_, err := Postgres(t.Context(), o)
	require.ErrorContains(t, err, "is of Postgres 3")
}

func TestValkeyLife(t *testing.T) {
	t.Parallel()
	s, err := Valkey(t.Context(), Options{Private: true, Progress: logTo(t)})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.False(t, s.Miniredis(), "tests of the mirror need a real one")

	option, err := valkey.ParseURL(s.URL())
	require.NoError(t, err)
	option.DisableRetry = true
	client, err := valkey.NewClient(option)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	set := client.B().Set().Key("k").Value("v").Build().Pin()
	require.NoError(t, client.Do(t.Context(), set).Error())

	require.NoError(t, s.Pause())
	short, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.Error(t, client.Do(short, set).Error())
	require.NoError(t, s.Resume())
	require.Eventually(t, func() bool { return client.Do(t.Context(), set).Error() == nil }, patience, soon)

	require.NoError(t, s.Kill())
	require.NoError(t, s.Kill(), "twice is no error")
	require.NoError(t, s.Start(t.Context()))
	var empty bool
	require.Eventually(t, func() bool {
		size, err := client.Do(t.Context(), client.B().Dbsize().Build()).AsInt64()
		empty = size == 0
		return err == nil
	}, patience, soon)
	require.True(t, empty, "it keeps nothing on disk")

	dir := s.engine.(*native).place.dir
	s.Stop()
	require.NoDirExists(t, dir)
}

func TestValkeyGivenPort(t *testing.T) {
	t.Parallel()
	var port int
	require.NoError(t, onFreePort(0, func(p int) error { port = p; return nil }))
	s, err := Valkey(t.Context(), Options{Private: true, Port: port})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.Contains(t, s.URL(), loopback(port))

	_, err = Valkey(t.Context(), Options{Private: true, Port: port})
	require.ErrorContains(t, err, "Address already in use", "the server's own words are shown")
}

// Many test binaries start at once; each has a server of its own.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const count = 6
	servers := make([]*Server, count)
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			var err error
			servers[i], err = Valkey(context.Background(), Options{Private: true})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	urls := make(map[string]bool)
	for _, s := range servers {
		require.NotNil(t, s)
		urls[s.URL()] = true
		s.Stop()
	}
	require.Len(t, urls, count)
}

// A server whose owner died without a word to it (no signal follows a parent's death on every system) is ended by the next
// one on its folder.
func TestOrphanEnded(t *testing.T) {
	t.Parallel()
	o := Options{Dir: openFolder(t), Durable: true}
	first, err := claim(t.Context(), o, "thing")
	require.NoError(t, err)
	lock, err := tryLock(first.file(childrenName))
	require.NoError(t, err)
	orphan, err := startProcess(command{
		path: "/bin/sh", args: []string{"sh", "-c", "sleep 1000 & wait"}, log: first.file(logName), inherit: lock, orphan: syscall.SIGKILL,
	})
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	require.NoError(t, os.WriteFile(first.file(pidName), []byte(strconv.Itoa(orphan.pid)), 0o600))
	first.release()

	second, err := claim(t.Context(), o, "thing")
	require.NoError(t, err)
	<-orphan.done
	require.Equal(t, first.password, second.password)
	second.release()
}

func logTo(t *testing.T) func(string) {
	return func(line string) { t.Log(line) }
}

// openFolder is a temporary folder that also the account of the children can reach, as t.TempDir's under root is not.
func openFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("/var/tmp", "bestie-test-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func connect(t *testing.T, s *Server) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(), s.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	_, err := conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}
