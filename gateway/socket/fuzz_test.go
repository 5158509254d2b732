package socket

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// FuzzFrame: what the decoder says about a beginning, it says about everything that begins so: a fault stays that fault, a
// frame that frame, whatever comes behind.
func FuzzFrame(f *testing.F) {
	f.Add(heartbeat, false, uint16(0))
	f.Add([]byte{0x80, 0x81, 0, 0, 0, 0, 'x'}, true, uint16(16383))
	f.Add([]byte{0x82, 0xfe, 0, 126, 0, 0, 0, 0}, false, uint16(0))
	f.Add([]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, false, uint16(0))
	f.Add([]byte{0x02, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, false, uint16(0))
	f.Add([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xe8}, true, uint16(5))
	f.Fuzz(func(t *testing.T, b []byte, fragmented bool, gathered uint16) {
		d := decoder{limit: 16384}
		gathered %= uint16(d.limit)
		decided := false
		var first frame
		var firstN int
		var firstFault uint16
		for k := range len(b) + 1 {
			got, n, fault := d.next(bytes.Clone(b[:k]), fragmented, int(gathered))
			require.LessOrEqual(t, n, k)
			if n > 0 {
				require.Zero(t, fault)
				require.LessOrEqual(t, len(got.payload), d.limit)
			}
			switch {
			case decided:
				require.Equal(t, firstN, n)
				require.Equal(t, firstFault, fault)
				require.Equal(t, first, got)
			case n > 0 || fault != 0:
				decided, first, firstN, firstFault = true, got, n, fault
			}
		}
	})
}

// FuzzStream: a stream means the same however it is cut into packets.
func FuzzStream(f *testing.F) {
	f.Add(bytes.Repeat(heartbeat, 3), uint8(4))
	f.Add([]byte{0x02, 0x81, 0, 0, 0, 0, 'a', 0x89, 0x80, 0, 0, 0, 0, 0x80, 0x81, 0, 0, 0, 0, 'b', 0x88, 0x80, 0, 0, 0, 0}, uint8(1))
	f.Add([]byte{0x82, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0, 0x82, 0x80}, uint8(5))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		stream = stream[:min(len(stream), 4096)] // the answers must fit into the kernel's buffer
		require.Equal(t, answers(t, stream, len(stream)), answers(t, stream, int(step)))
	})
}

// answers is everything the server sends for a stream that comes in packets of step bytes.
func answers(t *testing.T, stream []byte, step int) []byte {
	r := newRig(t)
	for len(stream) > 0 && r.conn.phase != phaseGone {
		n := min(max(step, 1), len(stream))
		r.send(t, stream[:n])
		stream = stream[n:]
	}
	require.NoError(t, unix.SetNonblock(r.peer, true))
	var all []byte
	for {
		n, err := unix.Read(r.peer, r.buf[:])
		if n <= 0 || errors.Is(err, unix.EAGAIN) {
			return all
		}
		all = append(all, r.buf[:n]...)
	}
}

// FuzzHead: a head that passes, net/http reads too and takes for the same: there is nothing to smuggle.
func FuzzHead(f *testing.F) {
	const fine = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Version: 13\r\n"
	f.Add(fine + "\r\n")
	f.Add(fine + "Host: b\r\n\r\n")
	f.Add(fine + "X: a\r\n b\r\n\r\n")
	f.Add(fine + "X : a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx")
	f.Add(fine + "Sec-WebSocket-Protocol: a,,b\r\nOrigin: null\r\nAuthorization: Bearer x\r\n\r\n\x82\x80")
	f.Add("GET /ws?a HTTP/1.0\n\n")
	f.Add("GET /w")
	f.Fuzz(func(t *testing.T, s string) {
		data := []byte(s)
		to := classify(data, "/ws")
		for k := range data {
			if early := classify(data[:k], "/ws"); early != unknown {
				require.Equal(t, to, early)
			}
		}
		end := headEnd(data)
		if to != ours || end == 0 {
			return
		}
		require.LessOrEqual(t, end, len(data))
		var r Request
		if r.parse(data[:end]) != nil || !r.wantsSocket() || r.check() != nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data[:end])))
		require.NoError(t, err)
		require.Equal(t, string(r.Target()), theirs.RequestURI)
		require.Equal(t, string(r.Header("host")), theirs.Host)
		require.Zero(t, theirs.ContentLength)
		require.Empty(t, theirs.TransferEncoding)
		require.Equal(t, string(r.Authorization()), theirs.Header.Get("Authorization"))
		require.Equal(t, string(r.Origin()), theirs.Header.Get("Origin"))
	})
}

// FuzzClose: a close frame's payload is either fine or answered with 1002 or 1007.
func FuzzClose(f *testing.F) {
	f.Add([]byte{3, 0xe8})
	f.Add([]byte{3, 0xe8, 0xff})
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		code, fault := checkClose(payload)
		if fault == 0 {
			require.True(t, code == codeNoStatus && len(payload) == 0 || mayClose(code))
		} else {
			require.Contains(t, []uint16{codeProtocolError, codeInvalidPayload}, fault)
		}
	})
}
