package local

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRelease(t *testing.T) {
	t.Parallel()
	require.Equal(t, debian{codename: "bookworm", family: "debian"},
		parseRelease("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n"))
	require.Equal(t, debian{codename: "noble", family: "ubuntu"}, parseRelease("ID=ubuntu\nVERSION_CODENAME=\"noble\""))
	require.Empty(t, parseRelease("ID=alpine\n").codename)
}

func TestParseTargets(t *testing.T) {
	t.Parallel()
	const targets = `
http://other.example/tools stable main
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian/ bookworm-updates main
http://elsewhere.example/debian/ bookworm non-free
`
	require.Equal(t, mirror{uri: "http://mirror.example/debian/", parts: "main contrib"}, parseTargets(targets, "bookworm"))
	require.Equal(t, mirror{}, parseTargets(targets, "trixie"))
	require.Equal(t, mirror{}, parseTargets("", "bookworm"))
}

func TestBookkeeping(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"perl-base", "libllvm14", "postgresql", "postgresql-common", "libjson-perl", "locales-all", "ssl-cert"} {
		require.True(t, bookkeeping(name), name)
	}
	for _, name := range []string{"postgresql-15", "postgresql-client-15", "libpq5", "libicu72", "valkey-tools", "liblzf1", "tzdata"} {
		require.False(t, bookkeeping(name), name)
	}
}

func TestTell(t *testing.T) {
	t.Parallel()
	var said []string
	a := apt{say: func(format string, args ...any) { said = append(said, format) }}
	a.tell(bufio.NewScanner(strings.NewReader("dlstatus:1:10.5:Retrieving file 1 of 3\npmstatus:x\nodd\n")))
	require.Empty(t, said, "nothing in the first second")
}

const fakeAptGet = `
echo "$@" >> "$FAKE/calls"
case "$*" in
*indextargets*) echo "http://mirror.example/debian/ $FAKE_CODENAME main" ;;
*simulate*) echo "Inst libthing (1.0)"; echo "Inst perl (5)"; echo "Inst thing (8.0)" ;;
*download*) echo x > libthing_1.deb; echo x > thing_8.deb ;;
*update*) case "$(cat "$FAKE"/cache/bestie/apt-*/sources.list)" in *-backports*) exit 100 ;; esac ;;
esac`

// Several processes that miss the same package fetch it once, and only see it whole.
func TestFetchOnce(t *testing.T) {
	d, err := findDebian()
	if err != nil {
		d = debian{codename: "somewhere", family: "debian"} // the rest is imitated
	}
	root := t.TempDir()
	script(t, filepath.Join(root, "bin/apt-get"), fakeAptGet)
	script(t, filepath.Join(root, "bin/dpkg-deb"), `mkdir -p "$3/usr/bin" && touch "$3/usr/bin/$(basename "$2")"`)
	t.Setenv("PATH", filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("FAKE", root)
	t.Setenv("FAKE_CODENAME", d.codename)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	t.Setenv("HOME", root) // where the cache is on macOS

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			prefix, err := d.fetched(context.Background(), nil, "Thing", "thing", Options{})
			if err != nil {
				t.Error(err)
				return
			}
			for _, file := range []string{"libthing_1.deb", "thing_8.deb"} {
				if _, err := os.Stat(filepath.Join(prefix, "usr/bin", file)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()

	calls, err := os.ReadFile(filepath.Join(root, "calls"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(calls), "download"), "%s", calls)
	require.Contains(t, string(calls), "download libthing thing\n", "without what only bookkeeping needs")
	require.Equal(t, 2, strings.Count(string(calls), " update"), "again without backports, where there are none")
}
