package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
)

// The least of RFC 6455 that the floor and gnet need: frames of clients that keep the rules, upgrades of clients that do.

const (
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xa
)

// cutFrame cuts a client's first frame off and unmasks its payload in place.
func cutFrame(data []byte) (opcode byte, payload, rest []byte, whole bool) {
	if len(data) < 6 {
		return 0, nil, data, false
	}
	length, head := int(data[1]&0x7f), 2
	if length == 126 {
		length, head = int(binary.BigEndian.Uint16(data[2:])), 4
	}
	end := head + 4 + length
	if length == 127 || len(data) < end {
		return 0, nil, data, false
	}
	key, payload := data[head:head+4], data[head+4:end]
	i := 0
	for key8 := uint64(binary.LittleEndian.Uint32(key)) * (1<<32 + 1); len(payload)-i >= 8; i += 8 {
		binary.LittleEndian.PutUint64(payload[i:], binary.LittleEndian.Uint64(payload[i:])^key8)
	}
	for ; i < len(payload); i++ {
		payload[i] ^= key[i%4]
	}
	return data[0] & 0x0f, payload, data[end:], true
}

// appendFrame appends a server's frame of less than 126 bytes.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	return append(append(dst, 0x80|opcode, byte(len(payload))), payload...)
}

var (
	keyField = []byte("Sec-WebSocket-Key: ")
	headEnd  = []byte("\r\n\r\n")
)

// upgrade answers a whole request head; nil when it is not whole.
func upgrade(dst, data []byte) (response, rest []byte) {
	end := bytes.Index(data, headEnd)
	if end < 0 {
		return nil, data
	}
	_, key, _ := bytes.Cut(data[:end+2], keyField)
	key, _, _ = bytes.Cut(key, headEnd[:2])
	var text [64]byte
	sum := sha1.Sum(append(append(text[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	return append(dst, headEnd...), data[end+4:]
}
