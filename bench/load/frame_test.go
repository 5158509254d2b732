package load

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Another library must read what we write, and write what we read.
func TestFramesAreThoseOfOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 70_000).Draw(t, "payload")
		if len(payload) < 1<<16 {
			ours := bytes.NewReader(clientFrame(opBinary, payload))
			header, err := ws.ReadHeader(ours)
			require.NoError(t, err)
			require.True(t, header.Masked)
			require.EqualValues(t, len(payload), header.Length)
			got := make([]byte, header.Length)
			_, err = io.ReadFull(ours, got)
			require.NoError(t, err)
			ws.Cipher(got, header.Mask, 0)
			require.Equal(t, payload, got)
		}

		compiled := ws.MustCompileFrame(ws.NewBinaryFrame(payload))
		behind := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "behind")
		opcode, got, rest, whole := serverFrame(append(bytes.Clone(compiled), behind...))
		require.True(t, whole)
		require.EqualValues(t, opBinary, opcode)
		require.Equal(t, payload, append([]byte{}, got...))
		require.Equal(t, behind, append([]byte{}, rest...))

		cut := rapid.IntRange(0, len(compiled)-1).Draw(t, "cut")
		_, _, rest, whole = serverFrame(compiled[:cut])
		require.False(t, whole)
		require.Len(t, rest, cut)
	})
}

func TestCloseCode(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 4201, closeCode(ws.NewCloseFrameBody(4201, "slow")))
	require.EqualValues(t, noStatus, closeCode(nil))
}

func TestPieces(t *testing.T) {
	t.Parallel()
	first, rest := piece([]byte{3, 'a', 'b', 'c', 1, 'd'})
	require.Equal(t, "abc", string(first))
	second, rest := piece(rest)
	require.Equal(t, "d", string(second))
	require.Empty(t, rest)
	whole, rest := piece([]byte{9, 'x'})
	require.Equal(t, []byte{9, 'x'}, whole)
	require.Empty(t, rest)
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	text := upgradeRequest(Dialect{Path: "/ws", Subprotocol: "x.v1"}, "127.0.0.1:80", "secret")
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	require.NoError(t, err)
	require.Equal(t, "/ws", request.URL.Path)
	require.Equal(t, "Bearer secret", request.Header.Get("Authorization"))
	require.Equal(t, "x.v1", request.Header.Get("Sec-WebSocket-Protocol"))

	status, rest := response([]byte("HTTP/1.1 101 Switching\r\nA: b\r\n\r\nframes"))
	require.Equal(t, 101, status)
	require.Equal(t, "frames", string(rest))
	status, _ = response([]byte("HTTP/1.1 101 Switching\r\n"))
	require.Zero(t, status)
	for _, odd := range []string{"SSH-2.0 something\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP\r\n\r\n"} {
		status, _ = response([]byte(odd))
		require.Equal(t, -1, status, odd)
	}
}

func TestReportsAddUp(t *testing.T) {
	t.Parallel()
	one := &Report{Sent: 3, Requests: 3, Events: 2, Opened: 5, OpenTook: time.Second}
	one.Latency.Add(time.Millisecond)
	one.slice(600 * time.Millisecond).Add(time.Millisecond)
	two := &Report{Sent: 1, Requests: 1, Opened: 1, OpenTook: 2 * time.Second}
	two.Latency.Add(3 * time.Millisecond)
	two.slice(0).Add(3 * time.Millisecond)
	two.lost(4201, 2)
	var sum Report
	sum.add(one)
	sum.add(two)
	require.EqualValues(t, 4, sum.Sent)
	require.EqualValues(t, 2, sum.Missing())
	require.EqualValues(t, 2, sum.LostCount())
	require.Equal(t, 2*time.Second, sum.OpenTook)
	require.Len(t, sum.Slices, 3)
	require.EqualValues(t, 1, sum.Slices[0].Latency.Count())
	require.Zero(t, sum.Slices[1].Latency.Count())
	require.EqualValues(t, 1, sum.Slices[2].Latency.Count())
}
