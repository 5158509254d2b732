package gateway

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestIdleClientIsSmall keeps the gateway's part of an idle socket in one small allocation: the whole socket may cost 450 bytes.
func TestIdleClientIsSmall(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, unsafe.Sizeof(client{}), uintptr(96))
}

func TestWindowIsBounded(t *testing.T) {
	t.Parallel()
	w := newWindow(3)
	for id := int64(1); id <= 4; id++ {
		require.True(t, w.first(id))
		require.False(t, w.first(id))
	}
	require.True(t, w.first(1), "forgotten")
	require.False(t, w.first(4))
	require.Len(t, w.ids, 3)
}
