package kernel

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOwnProcess(t *testing.T) {
	t.Parallel()
	before, err := CPUOf(os.Getpid())
	require.NoError(t, err)
	for at := Now(); Now()-at < 20*time.Millisecond; {
		// use the processor
	}
	after, err := CPUOf(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, after.Minus(before).Total, time.Millisecond)

	memory, err := MemoryOf(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, memory.Resident, memory.Anonymous)
	require.Greater(t, memory.Anonymous, int64(1<<20))
	resident, err := ResidentOf(os.Getpid())
	require.NoError(t, err)
	require.InEpsilon(t, memory.Resident, resident, 0.5)
}

func TestLoadAverage(t *testing.T) {
	t.Parallel()
	require.Positive(t, LoadAverage(), "this test wants a processor")
}

func TestChildren(t *testing.T) {
	t.Parallel()
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	require.Contains(t, Children(os.Getpid()), child.Process.Pid)
	require.Eventually(t, func() bool { return Name(child.Process.Pid) == "sleep" }, 5*time.Second, time.Millisecond)
}

func TestGone(t *testing.T) {
	t.Parallel()
	const nobody = 1 << 22 // above the highest number of a process
	_, err := CPUOf(nobody)
	require.Error(t, err)
	_, err = MemoryOf(nobody)
	require.Error(t, err)
	_, err = ResidentOf(nobody)
	require.Error(t, err)
	require.Empty(t, Children(nobody))
	require.Empty(t, Name(nobody))
}

func TestTicksBehindAnOddName(t *testing.T) {
	t.Parallel()
	user, system, err := ticks([]byte("7 (a) b 1 2 3) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20"))
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, user)
	require.Equal(t, 250*time.Millisecond, system)
	_, _, err = ticks([]byte("7 (a) S 1"))
	require.Error(t, err)
	_, err = kilobytes([]byte("Pss: 3 kB\n"), "Rss:")
	require.Error(t, err)
}
