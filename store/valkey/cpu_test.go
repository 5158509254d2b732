package valkey_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"
)

// cost is the processor time that something took, whatever else the machine did meanwhile.
type cost struct{ valkey, ours time.Duration }

// spent measures it. Nothing else may use the server or this process meanwhile.
func spent(b testing.TB, raw driver.Client, do func()) cost {
	b.Helper()
	before := cost{valkey: valkeyCPU(b, raw), ours: ownCPU(b)}
	do()
	return cost{valkey: valkeyCPU(b, raw) - before.valkey, ours: ownCPU(b) - before.ours}
}

// valkeyCPU is what the server's own process has used.
func valkeyCPU(b testing.TB, raw driver.Client) (used time.Duration) {
	b.Helper()
	info, err := raw.Do(b.Context(), raw.B().Info().Section("cpu").Build()).ToString()
	require.NoError(b, err)
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			require.NoError(b, err)
			used += time.Duration(seconds * float64(time.Second))
		}
	}
	return used
}

// ownCPU is what this process has used.
func ownCPU(b testing.TB) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
