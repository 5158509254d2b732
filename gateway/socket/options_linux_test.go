package socket

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func requireUserTimeout(t *testing.T, fd int) {
	t.Helper()
	ms, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	require.NoError(t, err)
	require.EqualValues(t, userTimeout/time.Millisecond, ms)
}
