package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// script writes an executable that runs the shell's lines.
func script(t *testing.T, path, lines string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	// Under another name first: a file that is still open for writing, also in a child that somebody forks right now,
	// cannot be executed.
	require.NoError(t, os.WriteFile(path+".new", []byte("#!/bin/sh\n"+lines+"\n"), 0o755))
	require.NoError(t, os.Rename(path+".new", path))
	return path
}

func fakePostgres(t *testing.T, dir, version string) string {
	script(t, filepath.Join(dir, "postgres"), fmt.Sprintf("echo 'postgres (PostgreSQL) %s'", version))
	script(t, filepath.Join(dir, "initdb"), "true")
	return dir
}

func majors(found []binaries) []int {
	var all []int
	for _, b := range found {
		all = append(all, b.major)
	}
	return all
}

func TestInstallations(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	onPath := fakePostgres(t, filepath.Join(root, "path"), "14.9 (Debian 14.9-1)")
	fakePostgres(t, filepath.Join(root, "lib/15/bin"), "15.18")
	fakePostgres(t, filepath.Join(root, "lib/17/bin"), "17beta2")
	fakePostgres(t, filepath.Join(root, "lib/13/bin"), "13.22")
	fakePostgres(t, filepath.Join(root, "lib/odd/bin"), "is strange")
	script(t, filepath.Join(root, "lib/16/bin/postgres"), "echo 'postgres (PostgreSQL) 16.1'") // without initdb

	s := search{path: []string{"/does/not/exist", onPath}, postgres: []string{filepath.Join(root, "lib/*/bin")}}
	require.Equal(t, []int{14, 17, 15}, majors(s.installations(t.Context(), nil)), "PATH first, then the newest; no old, odd or half ones")
	require.Empty(t, search{path: []string{root}}.installations(t.Context(), nil))
}

func TestInstallationsFollowLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	home := fakePostgres(t, filepath.Join(root, "lib/15/bin"), "15.1")
	links := filepath.Join(root, "links")
	require.NoError(t, os.Mkdir(links, 0o755))
	require.NoError(t, os.Symlink(filepath.Join(home, "postgres"), filepath.Join(links, "postgres")))

	s := search{path: []string{links, links}, postgres: []string{filepath.Join(root, "lib/*/bin")}}
	found := s.installations(t.Context(), nil)
	require.NotEmpty(t, found)
	require.Equal(t, home, found[0].dir, "where its other files are")
}

func TestProgram(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	script(t, filepath.Join(root, "a/redis-server"), "true")
	want := script(t, filepath.Join(root, "opt/valkey@8/bin/valkey-server"), "true")
	require.NoError(t, os.Mkdir(filepath.Join(root, "a/valkey-server"), 0o755)) // a folder is no program

	s := search{path: []string{filepath.Join(root, "a")}, valkey: []string{filepath.Join(root, "opt/valkey*/bin")}}
	found, ok := s.program(nil, "valkey-server", "redis-server")
	require.True(t, ok)
	require.Equal(t, program{path: want, name: "valkey-server"}, found, "the first name in any folder before the second")
	_, ok = s.program(nil, "memcached")
	require.False(t, ok)
}

// The account of the children cannot use what lies behind a closed door, though we can.
func TestReaches(t *testing.T) {
	t.Parallel()
	root := openFolder(t)
	closed := filepath.Join(root, "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	inside := script(t, filepath.Join(closed, "in/valkey-server"), "true")
	outside := script(t, filepath.Join(root, "valkey-server"), "true")
	stranger := &account{uid: 4242, gid: 4242}

	require.NoError(t, stranger.reaches(outside))
	require.ErrorContains(t, stranger.reaches(inside), closed+" is closed to user 4242")
	require.NoError(t, (*account)(nil).reaches(inside))
	require.NoError(t, (&account{uid: uint32(os.Geteuid()), gid: 1}).reaches(inside), "the owner")
	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(inside, link))
	require.Error(t, stranger.reaches(link), "what counts is where the link leads")

	s := search{path: []string{filepath.Dir(inside), root}}
	found, ok := s.program(stranger, "valkey-server")
	require.True(t, ok)
	require.Equal(t, outside, found.path)
}

func TestOwnFolder(t *testing.T) {
	t.Parallel()
	root := openFolder(t)
	require.NoError(t, ownFolder(filepath.Join(root, "a/b"), nil))
	require.NoError(t, ownFolder(filepath.Join(root, "a/b"), nil), "there already")

	shared := filepath.Join(root, "shared")
	require.NoError(t, os.Mkdir(shared, 0o755))
	require.NoError(t, os.Chmod(shared, 0o777))
	require.ErrorContains(t, ownFolder(shared, nil), "not ours alone")

	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(filepath.Join(root, "a"), link))
	require.ErrorContains(t, ownFolder(link, nil), "not ours alone", "somebody else may turn a link")
}

// Data goes elsewhere, and it is said, when the account of the children cannot live in the folder.
func TestFixedStandIn(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(openFolder(t), "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	var said string
	o := Options{Dir: closed, Progress: func(line string) { said = line }}
	p := &place{as: &account{uid: 4242, gid: 4242}}
	dir, err := p.fixed(t.Context(), o, "postgres")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(dir)) })
	require.NotContains(t, dir, closed)
	require.Equal(t, "postgres", filepath.Base(dir))
	require.Contains(t, said, dir)
	require.Contains(t, said, "is closed to user 4242")

	again, err := p.fixed(t.Context(), o, "postgres")
	require.NoError(t, err)
	require.Equal(t, dir, again, "the same the next time")

	cache := filepath.Dir(filepath.Dir(dir))
	sweepStandIns(t.Context(), cache)
	require.DirExists(t, dir)
	require.NoError(t, os.RemoveAll(filepath.Dir(closed)))
	sweepStandIns(t.Context(), cache)
	require.NoDirExists(t, filepath.Dir(dir), "nobody will ask for it again")
}

func TestEnvironmentFirst(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://somewhere")
	t.Setenv("VALKEY_URL", "redis://somewhere")
	for want, start := range map[string]func(context.Context, Options) (*Server, error){
		"postgres://somewhere": Postgres, "redis://somewhere": Valkey,
	} {
		s, err := start(t.Context(), Options{})
		require.NoError(t, err)
		require.Equal(t, want, s.URL())
		require.True(t, s.External())
		require.False(t, s.Miniredis())
		require.ErrorIs(t, s.Kill(), ErrExternal)
		require.ErrorIs(t, s.Pause(), ErrExternal)
		require.ErrorIs(t, s.Resume(), ErrExternal)
		require.ErrorIs(t, s.Start(t.Context()), ErrExternal)
		s.Stop()
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	err := missing("Postgres", "postgresql", "postgresql@17", "DATABASE_URL", errNoApt)
	require.ErrorContains(t, err, "brew install postgresql@17")
	require.ErrorContains(t, err, "apt-get install postgresql")
	require.ErrorContains(t, err, "DATABASE_URL")
	require.NotContains(t, err.Error(), "\n")
	require.Equal(t, context.Canceled, missing("Postgres", "", "", "", context.Canceled), "to be interrupted is not to miss anything")
}
