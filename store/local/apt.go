package local

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// listsLast is how long the lists are taken to be fresh: the second store follows the first at once.
const listsLast = 10 * time.Minute

// apt is a private apt: own lists, own cache, own sources, the machine's mirror. Nothing is installed: packages are
// unpacked, and the system's settings and its database of packages are only read.
type apt struct {
	debian
	mirror mirror
	dir    string
	say    func(format string, args ...any)
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
	a.say("loading %s", strings.Join(packages, " "))
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
	if a.family == "debian" {
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
	keyring := "/usr/share/keyrings/" + a.family + "-archive-keyring.gpg"
	if _, err := os.Stat(keyring); err == nil { // else apt's trusted keys will do
		options += " signed-by=" + keyring
	}
	var text strings.Builder
	for _, suite := range suites {
		fmt.Fprintf(&text, "deb [%s] %s %s %s\n", options, a.mirror.uri, suite, a.mirror.parts)
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

// missing lists what an installation would add to this machine, without what only dpkg's bookkeeping needs.
func (a apt) missing(ctx context.Context, name string) ([]string, error) {
	said, err := a.get(ctx, a.dir, "--simulate", "--no-install-recommends", "install", name)
	if err != nil {
		return nil, err
	}
	var packages []string
	for line := range strings.Lines(string(said)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Inst" && !bookkeeping(fields[1]) {
			packages = append(packages, fields[1])
		}
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("apt has nothing to install for %s: %s", name, tail(said))
	}
	return packages, nil
}

// bookkeeping tells whether a package is asked for by the servers' packages but not by the servers: scripts around system
// clusters, and compilers of queries that we switch off.
func bookkeeping(name string) bool {
	switch name {
	case "postgresql", "postgresql-common", "postgresql-client-common", "ssl-cert", "sysstat", "netbase", "ucf", "openssl",
		"adduser", "cron", "debconf", "init-system-helpers", "logrotate", "procps", "sensible-utils", "sysvinit-utils":
		return true
	}
	prefixes := []string{"perl", "libperl", "libgdbm", "libllvm", "locales", "libproc2", "lsb-", "postgresql-common-"}
	return strings.HasSuffix(name, "-perl") ||
		slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
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
