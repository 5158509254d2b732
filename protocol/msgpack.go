package protocol

import (
	"encoding/binary"
	"math"
)

// The first bytes of the msgpack specification. (The library's own are variables.)
const (
	posFixintHigh = 0x7f
	fixmapLow     = 0x80
	fixmapMask    = 0x0f
	fixmapHigh    = 0x8f
	fixarrayLow   = 0x90
	fixarrayMask  = 0x0f
	fixarrayHigh  = 0x9f
	fixstrLow     = 0xa0
	fixstrMask    = 0x1f
	fixstrHigh    = 0xbf
	codeNil       = 0xc0
	codeFalse     = 0xc2
	codeTrue      = 0xc3
	codeBin8      = 0xc4
	codeBin16     = 0xc5
	codeBin32     = 0xc6
	codeFloat32   = 0xca
	codeFloat64   = 0xcb
	codeUint8     = 0xcc
	codeUint16    = 0xcd
	codeUint32    = 0xce
	codeUint64    = 0xcf
	codeInt8      = 0xd0
	codeInt16     = 0xd1
	codeInt32     = 0xd2
	codeInt64     = 0xd3
	codeStr8      = 0xd9
	codeStr16     = 0xda
	codeStr32     = 0xdb
	codeArray16   = 0xdc
	codeArray32   = 0xdd
	codeMap16     = 0xde
	codeMap32     = 0xdf
	negFixintLow  = 0xe0
)

// class is what a msgpack value is, whatever its form.
type class uint8

const (
	classInvalid class = iota // truncated, ext, or the unused byte c1
	classNil
	classBool
	classUint     // n is its value
	classNegative // a signed integer below zero
	classFloat
	classText   // n bytes follow
	classBinary // n bytes follow
	classArray  // n values follow
	classMap    // n keys and n values follow
)

// token is the head of one msgpack value: all of a scalar, or what stands before the payload of the rest.
type token struct {
	class class
	size  int    // bytes of the head
	n     uint64 // the value, or the length or count of the payload
}

// payload is the number of bytes that belong to the value behind its head, children not counted.
func (t token) payload() uint64 {
	if t.class == classText || t.class == classBinary {
		return t.n
	}
	return 0
}

// children is the number of values that follow the head.
func (t token) children() uint64 {
	switch t.class {
	case classArray:
		return t.n
	case classMap:
		return 2 * t.n
	default:
		return 0
	}
}

// readToken reads the head at b[at]. It never reads beyond b; what does not fit is classInvalid.
func readToken(b []byte, at int) token {
	if at >= len(b) {
		return token{}
	}
	c := b[at]
	switch {
	case c <= posFixintHigh:
		return token{classUint, 1, uint64(c)}
	case c <= fixmapHigh:
		return token{classMap, 1, uint64(c & fixmapMask)}
	case c <= fixarrayHigh:
		return token{classArray, 1, uint64(c & fixarrayMask)}
	case c <= fixstrHigh:
		return token{classText, 1, uint64(c & fixstrMask)}
	case c >= negFixintLow:
		return token{classNegative, 1, 0}
	}
	switch c {
	case codeNil:
		return token{classNil, 1, 0}
	case codeFalse, codeTrue:
		return token{classBool, 1, uint64(c & 1)}
	case codeUint8:
		return sized(b, at, classUint, 1)
	case codeUint16:
		return sized(b, at, classUint, 2)
	case codeUint32:
		return sized(b, at, classUint, 4)
	case codeUint64:
		return sized(b, at, classUint, 8)
	case codeInt8:
		return signed(b, at, 1)
	case codeInt16:
		return signed(b, at, 2)
	case codeInt32:
		return signed(b, at, 4)
	case codeInt64:
		return signed(b, at, 8)
	case codeFloat32:
		return sized(b, at, classFloat, 4)
	case codeFloat64:
		return sized(b, at, classFloat, 8)
	case codeStr8:
		return sized(b, at, classText, 1)
	case codeStr16:
		return sized(b, at, classText, 2)
	case codeStr32:
		return sized(b, at, classText, 4)
	case codeBin8:
		return sized(b, at, classBinary, 1)
	case codeBin16:
		return sized(b, at, classBinary, 2)
	case codeBin32:
		return sized(b, at, classBinary, 4)
	case codeArray16:
		return sized(b, at, classArray, 2)
	case codeArray32:
		return sized(b, at, classArray, 4)
	case codeMap16:
		return sized(b, at, classMap, 2)
	case codeMap32:
		return sized(b, at, classMap, 4)
	default:
		return token{}
	}
}

// sized reads a head whose marker is followed by a big-endian number of the given width.
func sized(b []byte, at int, c class, width int) token {
	if len(b)-at <= width {
		return token{}
	}
	number := b[at+1 : at+1+width]
	var n uint64
	switch width {
	case 1:
		n = uint64(number[0])
	case 2:
		n = uint64(binary.BigEndian.Uint16(number))
	case 4:
		n = uint64(binary.BigEndian.Uint32(number))
	default:
		n = binary.BigEndian.Uint64(number)
	}
	return token{c, 1 + width, n}
}

// signed reads a signed integer: a non-negative one is as good as an unsigned one.
func signed(b []byte, at, width int) token {
	t := sized(b, at, classUint, width)
	if t.class == classUint && b[at+1]&0x80 != 0 {
		return token{classNegative, t.size, 0}
	}
	return t
}

// skip is the offset behind the value at b[at], len(b) at most. It takes no more steps than b has bytes.
func skip(b []byte, at int) int {
	for pending := uint64(1); pending > 0; pending-- {
		t := readToken(b, at)
		if t.class == classInvalid || t.payload() > uint64(len(b)-at-t.size) {
			return len(b)
		}
		at += t.size + int(t.payload())
		pending += t.children()
	}
	return at
}

// readText reads the text at b[at]; false when there is none.
func readText(b []byte, at int) (text []byte, next int, ok bool) {
	t := readToken(b, at)
	from := at + t.size
	if t.class != classText || t.n > uint64(len(b)-from) {
		return nil, len(b), false
	}
	next = from + int(t.n)
	return b[from:next], next, true
}

// appendUint appends the smallest form of an integer.
func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n <= posFixintHigh:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, codeUint8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, codeUint16), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, codeUint32), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, codeUint64), n)
	}
}

// appendTextHead appends the smallest head of a text of n bytes.
func appendTextHead(dst []byte, n int) []byte {
	switch {
	case n <= fixstrMask:
		return append(dst, fixstrLow|byte(n))
	case n <= math.MaxUint8:
		return append(dst, codeStr8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, codeStr16), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, codeStr32), uint32(n))
	}
}

// appendText appends a text in its smallest form.
func appendText(dst []byte, s string) []byte {
	return append(appendTextHead(dst, len(s)), s...)
}

// appendArrayHead appends the smallest head of an array of n values.
func appendArrayHead(dst []byte, n int) []byte {
	switch {
	case n <= fixarrayMask:
		return append(dst, fixarrayLow|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, codeArray16), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, codeArray32), uint32(n))
	}
}
