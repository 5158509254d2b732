package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Opcodes of frames (RFC 6455, 5.2).
const (
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xa
)

// noStatus is the close code of a connection that ended without one.
const noStatus = 1006

// maskKey masks every frame: what is sent is made once, and a key of zero would be no work to undo.
var maskKey = [4]byte{0x5a, 0xc3, 0x17, 0x88}

// clientFrame is a whole masked frame of at most 64 KiB.
func clientFrame(opcode byte, payload []byte) []byte {
	frame := []byte{0x80 | opcode}
	if len(payload) < 126 {
		frame = append(frame, 0x80|byte(len(payload)))
	} else {
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(len(payload)))
	}
	frame = append(frame, maskKey[:]...)
	for i, b := range payload {
		frame = append(frame, b^maskKey[i%4])
	}
	return frame
}

// serverFrame cuts the first frame off. whole is false while it is not all there; a server's frame is not masked.
func serverFrame(data []byte) (opcode byte, payload, rest []byte, whole bool) {
	if len(data) < 2 {
		return 0, nil, data, false
	}
	length, head := uint64(data[1]&0x7f), 2
	switch {
	case length == 126 && len(data) >= 4:
		length, head = uint64(binary.BigEndian.Uint16(data[2:])), 4
	case length == 127 && len(data) >= 10:
		length, head = binary.BigEndian.Uint64(data[2:]), 10
	case length >= 126:
		return 0, nil, data, false
	}
	if uint64(len(data)-head) < length {
		return 0, nil, data, false
	}
	end := head + int(length)
	return data[0] & 0x0f, data[head:end], data[end:], true
}

// closeCode reads the payload of a close frame.
func closeCode(payload []byte) uint16 {
	if len(payload) < 2 {
		return noStatus
	}
	return binary.BigEndian.Uint16(payload)
}

// piece cuts the first message off a payload of messages that each stand behind their length.
func piece(payload []byte) (message, rest []byte) {
	length, n := binary.Uvarint(payload)
	if n <= 0 || uint64(len(payload)-n) < length {
		return payload, nil
	}
	return payload[n : n+int(length)], payload[n+int(length):]
}

// upgradeRequest asks for a socket as an app does.
func upgradeRequest(d Dialect, host, token string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", d.Path, host)
	b.WriteString("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
	if d.Subprotocol != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\r\n", d.Subprotocol)
	}
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// response cuts the head of a response off and gives its status; 0 while it is not all there, -1 when it is none.
func response(data []byte) (status int, rest []byte) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, data
	}
	if len(data) < 12 || !bytes.HasPrefix(data, []byte("HTTP/1.1 ")) {
		return -1, nil
	}
	status, err := strconv.Atoi(string(data[9:12]))
	if err != nil {
		return -1, nil
	}
	return status, data[end+4:]
}
