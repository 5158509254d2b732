package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// debian fetches packages with the machine's own apt, from the mirror that the machine itself uses, into a private folder.
// Nothing is installed: packages are unpacked, the system's lists, settings and database of packages are only read.
type debian struct {
	codename string // "bookworm"
	mirror   string // where apt finds that release
	parts    string // "main", or "main universe"
	keyring  string // the file that signs it, "" to leave that to apt's trusted keys
	backport bool   // the distribution keeps backports under the same mirror
}

// listsLast is how long the lists are taken to be fresh: the second store follows the first at once.
const listsLast = 10 * time.Minute

// errNoApt says that this is no Debian, or one that cannot fetch.
var errNoApt = errors.New("no apt with a mirror of this machine's release")

// dpkgOnly are packages that the servers' packages ask for but the servers do not.
var dpkgOnly = regexp.MustCompile(`^(postgresql|postgresql-common(-dev)?|postgresql-client-common|libcommon-sense-perl|.*-perl|perl.*|libperl.*|` +
	`libllvm.*|locales.*|ssl-cert|sysstat|netbase|ucf|openssl|adduser|lsb-.*|sysvinit-utils|libgdbm.*|sensible-utils|` +
	`debconf|cron|init-system-helpers|logrotate|libjson-xs-perl|procps|libproc2.*)$`)

// findDebian looks at the machine, quickly and without the network.
func findDebian(ctx context.Context) (debian, error) {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return debian{}, errNoApt
		}
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return debian{}, errNoApt
	}
	targets, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--no-release-info",
		"--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return debian{}, fmt.Errorf("%w: %w", errNoApt, err)
	}
	d := parseDebian(string(release), string(targets))
	if d.codename == "" || d.mirror == "" {
		return debian{}, errNoApt
	}
	for _, name := range []string{"debian-archive-keyring", "ubuntu-archive-keyring"} {
		keyring := "/usr/share/keyrings/" + name + ".gpg"
		if _, err := os.Stat(keyring); err == nil && strings.HasPrefix(name, d.family()) {
			d.keyring = keyring
		}
	}
	return d, nil
}

// parseDebian reads /etc/os-release and apt's index targets, one "URI release component" a line.
func parseDebian(release, targets string) debian {
	var d debian
	for line := range strings.Lines(release) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"`); key {
		case "VERSION_CODENAME":
			d.codename = value
		case "ID":
			d.backport = value == "debian"
		}
	}
	var parts []string
	for line := range strings.Lines(targets) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != d.codename || d.mirror != "" && d.mirror != fields[0] {
			continue
		}
		d.mirror = fields[0]
		if !slices.Contains(parts, fields[2]) {
			parts = append(parts, fields[2])
		}
	}
	d.parts = strings.Join(parts, " ")
	return d
}

func (d debian) family() string {
	if d.backport {
		return "debian"
	}
	return "ubuntu"
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
	a := apt{debian: d, dir: filepath.Join(cache, "apt-"+d.codename), say: o.say}
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

// apt is a private apt: own lists, own cache, own sources.
type apt struct {
	debian
	dir string
	say func(format string, args ...any)
}

// unpack fetches the package with what of its dependencies the machine has not, and unpacks them all into dir.
func (a apt) unpack(ctx context.Context, name, dir string) error {
	if err := a.update(ctx); err != nil {
		return err
	}
	packages, err := a.missing(ctx, name)
	if err != nil {
		return err
	}
	debs := filepath.Join(a.dir, "debs-"+name)
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return err
	}
	a.say("%s: loading %s", name, strings.Join(packages, " "))
	if _, err := a.get(ctx, debs, append([]string{"download"}, packages...)...); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	files := folders(filepath.Join(debs, "*.deb"))
	for _, file := range files {
		if said, err := exec.CommandContext(ctx, "dpkg-deb", "-x", file, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", filepath.Base(file), err, tail(said))
		}
	}
	return os.RemoveAll(debs)
}

// update writes the private settings and loads the lists. Where there are no backports it goes on without.
func (a apt) update(ctx context.Context) error {
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "state", "sources.d"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(a.dir, "apt.conf"), []byte(a.settings()), 0o644); err != nil {
		return err
	}
	suites := []string{a.codename}
	if a.backport {
		suites = append(suites, a.codename+"-backports")
	}
	stamp := filepath.Join(a.dir, "updated")
	if info, err := os.Stat(stamp); err == nil && time.Since(info.ModTime()) < listsLast {
		return nil
	}
	for {
		if err := os.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(a.sources(suites)), 0o644); err != nil {
			return err
		}
		a.say("loading the lists of %s", strings.Join(suites, ", "))
		_, err := a.get(ctx, a.dir, "update", "--error-on=any")
		if err == nil {
			return os.WriteFile(stamp, nil, 0o644)
		}
		if len(suites) == 1 || ctx.Err() != nil {
			return err
		}
		suites = suites[:1]
	}
}

func (a apt) sources(suites []string) string {
	options := "target=Packages"
	if a.keyring != "" {
		options += " signed-by=" + a.keyring
	}
	var text strings.Builder
	for _, suite := range suites {
		fmt.Fprintf(&text, "deb [%s] %s %s %s\n", options, a.mirror, suite, a.parts)
	}
	return text.String()
}

// settings come after the machine's own, so that its proxies and its credentials hold. Its hooks do not: they tidy up the
// system's folders.
func (a apt) settings() string {
	return fmt.Sprintf(`Dir::State "%[1]s/state";
Dir::State::Lists "%[1]s/lists";
Dir::Cache "%[1]s/cache";
Dir::Etc::SourceList "%[1]s/sources.list";
Dir::Etc::SourceParts "%[1]s/sources.d";
APT::Sandbox::User "root";
APT::Get::List-Cleanup "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`, a.dir)
}

var installLine = regexp.MustCompile(`(?m)^Inst (\S+)`)

// missing lists what an installation would add to this machine, without what only dpkg's bookkeeping needs.
func (a apt) missing(ctx context.Context, name string) ([]string, error) {
	said, err := a.get(ctx, a.dir, "--simulate", "--no-install-recommends", "install", name)
	if err != nil {
		return nil, err
	}
	var packages []string
	for _, match := range installLine.FindAllSubmatch(said, -1) {
		if !dpkgOnly.Match(match[1]) {
			packages = append(packages, string(match[1]))
		}
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("apt has nothing to install for %s: %s", name, tail(said))
	}
	return packages, nil
}

// get runs apt-get in a folder and tells how far its downloads are, at most once a second.
func (a apt) get(ctx context.Context, dir string, args ...string) ([]byte, error) {
	path, err := exec.LookPath("apt-get")
	if err != nil {
		return nil, err
	}
	status, child, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer status.Close()
	told := make(chan struct{})
	go func() {
		defer close(told)
		a.tell(bufio.NewScanner(status))
	}()
	said, err := run(ctx, command{
		path: path, dir: dir, log: filepath.Join(a.dir, "apt.log"), inherit: child,
		args: append([]string{"apt-get", "-c", filepath.Join(a.dir, "apt.conf"), "-o", "APT::Status-Fd=3", "-qq", "-y"}, args...),
		env:  []string{"LC_ALL=C"},
	})
	child.Close()
	<-told
	return said, err
}

// tell reads apt's status lines, "dlstatus:1:42.5:Retrieving file 1 of 3 (4s remaining)".
func (a apt) tell(status *bufio.Scanner) {
	last := time.Now()
	for status.Scan() {
		fields := strings.SplitN(status.Text(), ":", 4)
		if len(fields) == 4 && fields[0] == "dlstatus" && time.Since(last) >= time.Second {
			last = time.Now()
			percent, _, _ := strings.Cut(fields[2], ".")
			a.say("%s %%: %s", percent, fields[3])
		}
	}
}
