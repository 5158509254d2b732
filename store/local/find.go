package local

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// binaries is an installation of Postgres.
type binaries struct {
	dir   string   // holds postgres and initdb
	env   []string // what they need to run from a private folder
	major int
}

// program is one executable of a Valkey or a Redis.
type program struct {
	path string
	name string // argv[0]
	env  []string
}

// search is where servers may be installed.
type search struct {
	path     []string // the folders of $PATH
	postgres []string // patterns of folders in which packages put Postgres
	valkey   []string
}

// machine is this machine's search.
func machine() search {
	return search{
		path: filepath.SplitList(os.Getenv("PATH")),
		postgres: []string{
			"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql@*/bin",
			"/usr/local/opt/postgresql@*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
		},
		valkey: []string{
			"/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/opt/valkey*/bin", "/opt/homebrew/opt/redis*/bin",
			"/usr/local/opt/valkey*/bin", "/usr/local/opt/redis*/bin", "/home/linuxbrew/.linuxbrew/bin",
		},
	}
}

// installations lists every Postgres that is new enough and that the account can run: PATH first, then the newest.
func (s search) installations(ctx context.Context, as *account) []binaries {
	var known []binaries
	for _, pattern := range s.postgres {
		for _, dir := range folders(pattern) {
			if b, ok := installation(ctx, dir, as); ok {
				known = append(known, b)
			}
		}
	}
	slices.SortStableFunc(known, func(a, b binaries) int { return cmp.Compare(b.major, a.major) })

	var all []binaries
	for _, dir := range s.path {
		if b, ok := installation(ctx, dir, as); ok {
			all = append(all, b)
		}
	}
	for _, b := range known {
		if !slices.ContainsFunc(all, func(other binaries) bool { return other.dir == b.dir }) {
			all = append(all, b)
		}
	}
	return all
}

// installation looks at one folder. Links are followed first: Postgres finds its other files beside its own.
func installation(ctx context.Context, dir string, as *account) (binaries, bool) {
	server, ok := executable(filepath.Join(dir, "postgres"), as)
	if !ok {
		return binaries{}, false
	}
	home := filepath.Dir(server)
	if _, ok := executable(filepath.Join(home, "initdb"), as); !ok {
		return binaries{}, false
	}
	major, err := majorOf(ctx, server, nil)
	return binaries{dir: home, major: major}, err == nil && major >= oldestMajor
}

// majorOf asks the program: "postgres (PostgreSQL) 15.4 (Debian 15.4-1)".
func majorOf(ctx context.Context, postgres string, env []string) (major int, err error) {
	cmd := exec.CommandContext(ctx, postgres, "--version")
	cmd.Env = append(os.Environ(), env...)
	said, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w", postgres, err)
	}
	if _, err := fmt.Sscanf(string(said), "postgres (PostgreSQL) %d", &major); err != nil {
		return 0, fmt.Errorf("%s --version said %q", postgres, said)
	}
	return major, nil
}

// program finds the first of the names that the account can run.
func (s search) program(as *account, names ...string) (program, bool) {
	dirs := slices.Clone(s.path)
	for _, pattern := range s.valkey {
		dirs = append(dirs, folders(pattern)...)
	}
	for _, name := range names {
		for _, dir := range dirs {
			if path, ok := executable(filepath.Join(dir, name), as); ok {
				return program{path: path, name: name}, true
			}
		}
	}
	return program{}, false
}

// executable follows links and gives the file if the account can run it.
func executable(path string, as *account) (string, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	info, err := os.Stat(real)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", false
	}
	return real, as.reaches(real) == nil
}

func folders(pattern string) []string {
	matches, _ := filepath.Glob(pattern) // the patterns are ours and well-formed
	return matches
}
