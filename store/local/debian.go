package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// errNoApt says that this is no Debian, or one that cannot fetch.
var errNoApt = errors.New("no apt with a mirror of this machine's release")

// debian is the release of the machine, be it Debian or one of its family.
type debian struct {
	codename string // "bookworm"
	family   string // "debian", "ubuntu": whose keys sign it
}

// mirror is where the machine finds the packages of its release.
type mirror struct {
	uri   string
	parts string // "main", or "main universe"
}

// findDebian looks at the machine.
func findDebian() (debian, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return debian{}, errNoApt
	}
	d := parseRelease(string(release))
	if d.codename == "" {
		return debian{}, errNoApt
	}
	return d, nil
}

func parseRelease(osRelease string) debian {
	var d debian
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"`); key {
		case "VERSION_CODENAME":
			d.codename = value
		case "ID":
			d.family = value
		}
	}
	return d
}

// findMirror asks apt, which knows every form of its sources, for the one from which the machine gets the release.
func (d debian) findMirror(ctx context.Context) (mirror, error) {
	targets, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--no-release-info",
		"--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return mirror{}, fmt.Errorf("%w: %w", errNoApt, err)
	}
	m := parseTargets(string(targets), d.codename)
	if m.uri == "" {
		return mirror{}, errNoApt
	}
	return m, nil
}

// parseTargets reads lines of "URI release component".
func parseTargets(targets, codename string) mirror {
	var m mirror
	var parts []string
	for line := range strings.Lines(targets) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != codename || m.uri != "" && m.uri != fields[0] {
			continue
		}
		m.uri = fields[0]
		if !slices.Contains(parts, fields[2]) {
			parts = append(parts, fields[2])
		}
	}
	m.parts = strings.Join(parts, " ")
	return m
}

// postgres fetches Postgres if it has not been fetched yet.
func (d debian) postgres(ctx context.Context, as *account, o Options) (binaries, error) {
	prefix, err := d.fetched(ctx, as, "Postgres", "postgresql", o)
	if err != nil {
		return binaries{}, err
	}
	env := libraryPath(prefix)
	for _, dir := range folders(filepath.Join(prefix, "usr/lib/postgresql/*/bin")) {
		major, err := majorOf(ctx, filepath.Join(dir, "postgres"), env)
		return binaries{dir: dir, env: env, major: major}, err
	}
	return binaries{}, fmt.Errorf("the package in %s holds no Postgres", prefix)
}

// valkey fetches Valkey if it has not been fetched yet. Its one executable is a server when it is called by that name.
func (d debian) valkey(ctx context.Context, as *account, o Options) (program, error) {
	prefix, err := d.fetched(ctx, as, "Valkey", "valkey-tools", o)
	if err != nil {
		return program{}, err
	}
	for _, name := range []string{"valkey-server", "valkey-check-rdb"} {
		if path, ok := executable(filepath.Join(prefix, "usr/bin", name), as); ok {
			return program{path: path, name: "valkey-server", env: libraryPath(prefix)}, nil
		}
	}
	return program{}, fmt.Errorf("the package in %s holds no Valkey", prefix)
}

// libraryPath lets a program of prefix find the libraries that came with it; both folders, since packages use either.
func libraryPath(prefix string) []string {
	triplets := map[string]string{
		"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "386": "i386-linux-gnu", "arm": "arm-linux-gnueabihf",
		"riscv64": "riscv64-linux-gnu", "ppc64le": "powerpc64le-linux-gnu", "s390x": "s390x-linux-gnu",
	}
	triplet := triplets[runtime.GOARCH]
	return []string{"LD_LIBRARY_PATH=" + filepath.Join(prefix, "usr/lib", triplet) + ":" + filepath.Join(prefix, "lib", triplet)}
}

// fetched gives the folder into which the package and what it needs are unpacked. Many processes may ask at once: one
// fetches, the others wait for it, and the folder appears whole. What apt has loaded stays until then, so an interrupted
// fetch is taken up where it broke off.
func (d debian) fetched(ctx context.Context, as *account, store, name string, o Options) (string, error) {
	cache, err := cacheDir(as)
	if err != nil {
		return "", err
	}
	prefix := filepath.Join(cache, fmt.Sprintf("%s-%s-%s", name, d.codename, runtime.GOARCH))
	if _, err := os.Stat(prefix); err == nil {
		return prefix, nil
	}
	lock, err := waitLock(ctx, filepath.Join(cache, "fetch.lock"), func() {
		o.say("%s: waiting for another process that is fetching", store)
	})
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(prefix); err == nil {
		return prefix, nil
	}
	began := time.Now()
	o.say("%s is not on this machine: fetching it, once, from this machine's package mirror into %s", store, cache)
	m, err := d.findMirror(ctx)
	if err != nil {
		return "", err
	}
	a := apt{debian: d, mirror: m, dir: filepath.Join(cache, "apt-"+d.codename), say: o.say}
	fresh := prefix + ".new"
	if err := a.unpack(ctx, name, fresh); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	if err := os.Rename(fresh, prefix); err != nil {
		return "", err
	}
	o.say("%s: fetched in %.1f s", store, time.Since(began).Seconds())
	return prefix, nil
}
