package protocol

import (
	"errors"
	"math"
)

// What the scan lets pass.
const (
	MaxDepth    = 8   // arrays and maps inside each other, the frame's own array included
	MaxElements = 256 // values in all arrays and maps of a message together, a map's keys counted

	// maxServerElements bounds what a client takes: the state of a mitra with many sessions is longer than any request.
	maxServerElements = 4096
)

// The reasons why Parse refuses a message. All of them mean close 1007.
var (
	ErrMalformed   = errors.New("protocol: not msgpack, cut short, or an ext type")
	ErrTrailing    = errors.New("protocol: bytes behind the message")
	ErrTooDeep     = errors.New("protocol: nested too deep")
	ErrTooMany     = errors.New("protocol: too many elements")
	ErrNotFrame    = errors.New("protocol: not an array of kind, id and body")
	ErrKindOrIDBad = errors.New("protocol: kind or id is not an unsigned integer")
)

// Frame is a message whose bytes were scanned.
type Frame struct {
	Kind Kind
	ID   uint32
	Body []byte // part of the message, nil when it is absent; for Decode
}

// Parse scans the whole of a message from an app and reads its head. It does not allocate. Its error means close 1007
// (CloseNotMsgpack). An unknown kind is no error of Parse.
func Parse(msg []byte) (Frame, error) { return parse(msg, MaxElements) }

// ParseFromServer is Parse for the other side of the wire: what a gateway sends may have more elements.
func ParseFromServer(msg []byte) (Frame, error) { return parse(msg, maxServerElements) }

func parse(msg []byte, maxElements int) (Frame, error) {
	if err := scan(msg, maxElements); err != nil {
		return Frame{}, err
	}
	array := readToken(msg, 0)
	if array.class != classArray || array.n < 2 || array.n > 3 {
		return Frame{}, ErrNotFrame
	}
	at := array.size
	kind := readToken(msg, at)
	at += kind.size
	id := readToken(msg, at)
	at += id.size
	if kind.class != classUint || id.class != classUint || id.n > math.MaxUint32 {
		return Frame{}, ErrKindOrIDBad
	}
	frame := Frame{Kind: Kind(kind.n), ID: uint32(id.n)}
	if array.n == 3 && readToken(msg, at).class != classNil {
		frame.Body = msg[at:]
	}
	return frame, nil
}

// scan looks at every byte of a message before anything else does: that it is one well-formed msgpack value, not nested deeper
// than MaxDepth, without more than maxElements values inside, each declared count and length no more than the bytes that are left,
// no ext types, nothing behind it. It takes one step a value and does not allocate.
func scan(b []byte, maxElements int) error {
	var open [MaxDepth]uint64 // values still to come in each open container
	depth, at, elements := 0, 0, uint64(0)
	for {
		t := readToken(b, at)
		if t.class == classInvalid {
			return ErrMalformed
		}
		at += t.size
		rest := uint64(len(b) - at)
		if t.payload() > rest || t.children() > rest {
			return ErrMalformed
		}
		at += int(t.payload())
		if t.class == classArray || t.class == classMap {
			if depth == MaxDepth {
				return ErrTooDeep
			}
			if elements += t.children(); elements > uint64(maxElements) {
				return ErrTooMany
			}
			open[depth] = t.children() + 1 // and itself
			depth++
		}
		for depth > 0 {
			if open[depth-1]--; open[depth-1] > 0 {
				break
			}
			depth-- // complete: one value less in the container around it
		}
		if depth == 0 {
			break
		}
	}
	if at != len(b) {
		return ErrTrailing
	}
	return nil
}
