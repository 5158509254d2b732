package local

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeDocker runs the container's program as a child of its own, and remembers its number by the container's name.
const fakeDocker = `
case "$1" in
run)
	port=$(echo "$6" | cut -d: -f2)
	echo $$ > "$FAKE_DOCKER/$4"
	exec sleep 1000 ;;
kill|stop)
	for name; do :; done
	kill -9 "$(cat "$FAKE_DOCKER/$name")" ;;
pause) kill -STOP "$(cat "$FAKE_DOCKER/$2")" ;;
unpause) kill -CONT "$(cat "$FAKE_DOCKER/$2")" ;;
volume) echo "$@" >> "$FAKE_DOCKER/volumes" ;;
exec) test -f "$FAKE_DOCKER/$2" ;;
info) ;;
esac`

// What Docker itself does is not tried here, only that it is asked for the right things in the right order.
func TestDockerLife(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("FAKE_DOCKER", dir)
	t.Setenv("PATH", filepath.Dir(script(t, filepath.Join(dir, "bin/docker"), fakeDocker))+":"+os.Getenv("PATH"))
	d, err := findDocker(t.Context())
	require.NoError(t, err)
	p, err := claim(t.Context(), Options{}, "docker-test")
	require.NoError(t, err)

	s, err := d.postgres(t.Context(), p, Options{})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.Contains(t, s.Origin(), "in Docker")
	child := s.engine.(*container).child
	require.NoError(t, s.Pause())
	require.NoError(t, s.Resume())
	require.NoError(t, s.Kill())
	require.False(t, child.running())
	require.NoError(t, s.Start(t.Context()))
	s.Stop()
	require.False(t, s.engine.(*container).child.running())
	require.NoDirExists(t, p.dir)
	volumes, err := os.ReadFile(filepath.Join(dir, "volumes"))
	require.NoError(t, err)
	require.Contains(t, string(volumes), "volume rm")
}

func TestDockerWithoutEngine(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", filepath.Dir(script(t, filepath.Join(dir, "bin/docker"), "echo Cannot connect >&2; exit 1")))
	_, err := findDocker(t.Context())
	require.ErrorContains(t, err, "Cannot connect")
}
