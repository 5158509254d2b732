package local

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	postgresUser = "bestie"
	oldestMajor  = 14
)

// postgresFlags hold for every Postgres; frailFlags for one whose data may be lost with the machine: no waiting for a disk,
// no background work that would blur a measurement. What is committed survives Kill all the same, so synchronous_commit
// stays on; without fsync it costs next to nothing.
var (
	postgresFlags = []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "jit=off",
		"timezone=GMT", "log_timezone=GMT", // known also where no time zone data is installed, as UTC is not
	}
	frailFlags = []string{
		"fsync=off", "full_page_writes=off", "autovacuum=off", "wal_level=minimal", "max_wal_senders=0", "shared_buffers=64MB",
		"deadlock_timeout=200ms", // else a test of deadlocks takes seconds
	}
)

// startPostgres runs the programs in a claimed place and gives a server that answers.
func startPostgres(ctx context.Context, b binaries, p *place, o Options) (s *Server, err error) {
	if err := b.initialise(ctx, p, o); err != nil {
		return nil, err
	}
	err = onFreePort(o.Port, func(port int) error {
		n := b.child(p, o, port)
		s = &Server{
			url: postgresURL(port, p.password), engine: n,
			origin: fmt.Sprintf("Postgres %d of %s on port %d, data in %s", b.major, b.dir, port, p.dir),
		}
		return n.start(ctx)
	})
	return s, err
}

// child is the postmaster, not started yet.
func (b binaries) child(p *place, o Options, port int) *native {
	data := p.file(dataName)
	postgres := filepath.Join(b.dir, "postgres")
	args := []string{postgres, "-D", data} // by its whole path: it looks for its files beside argv[0]
	flags := append([]string{"port=" + strconv.Itoa(port)}, postgresFlags...)
	gentle := syscall.SIGINT // "fast": sessions are cut, what is committed is written
	if !o.Durable {
		flags = append(flags, frailFlags...)
		gentle = syscall.SIGQUIT // "immediate": the data goes away anyhow
	}
	for _, flag := range flags {
		args = append(args, "-c", flag)
	}
	pidFile := filepath.Join(data, "postmaster.pid")
	return &native{
		place: p,
		command: command{
			path: postgres, args: args, env: b.env, dir: data, as: p.as, log: p.file(logName), orphan: syscall.SIGINT,
		},
		gentle: gentle,
		clear:  func() error { return removeIfThere(pidFile) },
		ready:  func(_ context.Context, pid int) bool { return postmasterReady(pidFile, pid) },
	}
}

func postgresURL(port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(postgresUser, password), Host: loopback(port),
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

// initialise makes the data directory, whole or not at all: an interrupted one is under another name.
func (b binaries) initialise(ctx context.Context, p *place, o Options) error {
	if version := dataVersion(p); version != "" {
		if version != strconv.Itoa(b.major) {
			return fmt.Errorf("the data in %s is of Postgres %s, and only %d is here: install %s, or remove the folder",
				p.dir, version, b.major, version)
		}
		return nil
	}
	o.say("Postgres: making a new data directory in %s (initdb)", p.dir)
	fresh, err := p.makeData(dataName + ".new")
	if err != nil {
		return err
	}
	initdb := filepath.Join(b.dir, "initdb")
	args := []string{
		initdb, "-D", fresh, "-U", postgresUser, "--pwfile", p.file(passwordName), "-A", "scram-sha-256", "-E", "UTF8",
		"--locale=C", "--no-instructions",
	}
	if !o.Durable {
		args = append(args, "--no-sync")
	}
	if _, err := run(ctx, command{
		path: initdb, args: args, env: b.env, dir: fresh, as: p.as, log: p.file("initdb.log"),
	}); err != nil {
		return err
	}
	return os.Rename(fresh, p.file(dataName))
}

// dataVersion is the major version that made the place's data, "" when there is none yet.
func dataVersion(p *place) string {
	version, err := os.ReadFile(filepath.Join(p.file(dataName), "PG_VERSION"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(version))
}

// postmasterReady reads the file in which the postmaster tells pg_ctl how far it is: its number in the first line, its
// state in the eighth.
func postmasterReady(pidFile string, pid int) bool {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
