package epoll

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAddressOfAccept(t *testing.T) {
	t.Parallel()
	require.Equal(t, netip.AddrPort{}, addrPort(&unix.RawSockaddrInet6{Family: unix.AF_UNIX}))
	for _, ip := range []string{"::1", "::ffff:10.1.2.3"} {
		from := unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: netip.MustParseAddr(ip).As16()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&from.Port))[:], 8080)
		require.Equal(t, netip.AddrPortFrom(netip.MustParseAddr(ip).Unmap(), 8080), addrPort(&from))
	}
}
