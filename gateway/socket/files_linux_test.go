package socket_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// When descriptors run out, who comes is told so, who is up notices nothing, and once there are some again all goes on. Not
// parallel: the limit is the process's.
func TestOutOfFiles(t *testing.T) {
	cfg := generous()
	cfg.Loops = 1
	cfg.Backoff = soon
	s := serve(t, cfg, newGateway())
	up := connect(t, s)

	// The clients' descriptors are made before the limit falls, and connected after.
	fds := make([]int, 8)
	for i := range fds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		fds[i] = fd
	}
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	lowered := before
	lowered.Cur = lowestFree(t)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &lowered))
	restore := func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &before) }
	defer restore()
	addr := s.Addr().(*net.TCPAddr)
	for _, fd := range fds {
		require.NoError(t, unix.Connect(fd, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}}))
	}
	for range 100 {
		up.send(masked(0x89, []byte("p")))
		up.expect(ws.OpPong, []byte("p"))
	}
	require.Eventually(t, func() bool { return s.Stats().OutOfFiles > 0 }, patience, time.Millisecond)
	restore()

	told, opened := 0, 0
	for _, fd := range fds {
		file := os.NewFile(uintptr(fd), "")
		conn, err := net.FileConn(file)
		require.NoError(t, err)
		file.Close()
		c := newClient(t, conn)
		c.Write([]byte(upgradeHead))
		switch c.response().StatusCode {
		case 503:
			told++
		case 101:
			opened++
		}
	}
	require.Positive(t, told)
	require.Positive(t, opened) // after the pause
	require.Equal(t, len(fds), told+opened)
	require.LessOrEqual(t, s.Stats().OutOfFiles, uint64(len(fds)))
}

// lowestFree is the number that the next descriptor would get: a limit of it lets none be made.
func lowestFree(t *testing.T) uint64 {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	return uint64(fd)
}
