package socket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// The close codes that the socket itself sends (protocol.md, "Close codes").
const (
	codeNormal         = uint16(ws.StatusNormalClosure)
	codeProtocolError  = uint16(ws.StatusProtocolError)
	codeNotBinary      = uint16(ws.StatusUnsupportedData)
	codeInvalidPayload = uint16(ws.StatusInvalidFramePayloadData)
	codeTooBig         = uint16(ws.StatusMessageTooBig)
	codeInternal       = uint16(ws.StatusInternalServerError)
	codeGoingAway      = uint16(ws.StatusGoingAway)
	codeNoStatus       = uint16(ws.StatusNoStatusRcvd)    // never on the wire: the peer's close frame had no code
	codeAbnormal       = uint16(ws.StatusAbnormalClosure) // never on the wire: there was no close frame

	codeIdle         = 4200
	codeSlowConsumer = 4201
	codeRateLimited  = 4202
	codeRetired      = 4203
)

// frame is one whole frame of the peer, its payload unmasked.
type frame struct {
	op      ws.OpCode
	final   bool
	payload []byte
}

// decoder finds frames at the start of a buffer. It keeps nothing between calls but its scratch space; a loop owns one.
type decoder struct {
	reader  bytes.Reader
	scratch [ws.MaxHeaderSize]byte
	limit   int // bytes of a message
}

// next looks at the start of b for a whole frame and unmasks it in place. n is its length, 0 when bytes are missing. A
// fault other than 0 is the close code of what the peer did wrong: it is found as soon as the header is whole, before any
// payload is waited for. fragmented tells whether a message has begun, gathered how many bytes of it came before.
func (d *decoder) next(b []byte, fragmented bool, gathered int) (f frame, n int, fault uint16) {
	d.reader.Reset(b)
	h, err := ws.ReadHeaderBuffer(&d.reader, d.scratch[:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return f, 0, 0
	case err != nil: // a 64-bit length with its highest bit set
		return f, 0, codeProtocolError
	}
	if fault := d.check(h, b[1]&0x7f, fragmented, gathered); fault != 0 {
		return f, 0, fault
	}
	size := len(b) - d.reader.Len()
	if d.reader.Len() < int(h.Length) {
		return f, 0, 0
	}
	n = size + int(h.Length)
	payload := b[size:n:n]
	ws.Cipher(payload, h.Mask, 0)
	return frame{op: h.OpCode, final: h.Fin, payload: payload}, n, 0
}

func (d *decoder) check(h ws.Header, length byte, fragmented bool, gathered int) (fault uint16) {
	state := ws.StateServerSide
	if fragmented {
		state = state.Set(ws.StateFragmented)
	}
	switch {
	case ws.CheckHeader(h, state) != nil:
		return codeProtocolError
	// RFC 6455, 5.2: "in all cases, the minimal number of bytes MUST be used to encode the length".
	case length == 126 && h.Length < 126, length == 127 && h.Length <= 0xffff:
		return codeProtocolError
	case h.OpCode == ws.OpText:
		return codeNotBinary
	case h.OpCode.IsData() && h.Length > int64(d.limit-gathered):
		return codeTooBig
	}
	return 0
}

// checkClose reads the payload of a close frame. The code is codeNoStatus when there is none; a fault other than 0 is the
// close code of what is wrong with it.
func checkClose(payload []byte) (code, fault uint16) {
	switch len(payload) {
	case 0:
		return codeNoStatus, 0
	case 1:
		return 0, codeProtocolError
	}
	code = binary.BigEndian.Uint16(payload)
	switch {
	case !mayClose(code):
		return 0, codeProtocolError
	case !utf8.Valid(payload[2:]):
		return 0, codeInvalidPayload
	}
	return code, 0
}

// mayClose tells whether a peer may send the code: RFC 6455, 7.4, and IANA's registry for 1012 to 1014. ws.CheckCloseFrameData
// does not know those three and lets 5000 and above pass.
func mayClose(code uint16) bool {
	switch ws.StatusCode(code) {
	case ws.StatusNoMeaningYet, ws.StatusNoStatusRcvd, ws.StatusAbnormalClosure:
		return false
	}
	return code >= 1000 && code <= 1014 || code >= 3000 && code <= 4999
}

// appendFrame appends a whole frame of ours: final, unmasked.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = append(dst, 126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	return append(dst, payload...)
}

// appendClose appends a close frame. Without a code (codeNoStatus) it is empty; a reason that is too long is cut between two
// characters.
func appendClose(dst []byte, code uint16, reason string) []byte {
	if code == codeNoStatus {
		return appendFrame(dst, ws.OpClose, nil)
	}
	const room = ws.MaxControlFramePayloadSize - 2
	for cut := room; len(reason) > room; cut-- {
		if utf8.RuneStart(reason[cut]) {
			reason = reason[:cut]
		}
	}
	dst = append(dst, 0x80|byte(ws.OpClose), byte(2+len(reason)))
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(dst, reason...)
}
