package local

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A parent that is killed with kill -9 takes its servers with it, and leaves folders that the next test run removes.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	parent := exec.CommandContext(ctx, os.Args[0])
	parent.Env = append(os.Environ(), runForever+"=1")
	stdin, err := parent.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	parent.Stderr = os.Stderr
	require.NoError(t, parent.Start())

	var dirs []string
	for lines := bufio.NewScanner(out); len(dirs) < 2 && lines.Scan(); {
		dirs = append(dirs, lines.Text())
	}
	require.Len(t, dirs, 2)
	for _, dir := range dirs {
		_, err := tryLock(filepath.Join(dir, childrenName))
		require.ErrorIs(t, err, errLocked, "the server runs")
	}

	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	for _, dir := range dirs {
		// Every process of the server holds this lock, so it falls when the last of them is gone.
		children, err := waitLock(ctx, filepath.Join(dir, childrenName), nil)
		require.NoError(t, err, "the server is gone")
		require.NoError(t, children.Close())
	}

	// Another test binary may be sweeping the same folder right now: then it removes them, a moment later.
	require.Eventually(t, func() bool {
		sweep(ctx, filepath.Dir(dirs[0]))
		left := 0
		for _, dir := range dirs {
			if _, err := os.Stat(dir); err == nil {
				left++
			}
		}
		return left == 0
	}, patience, lockPoll)
}
