package protocol

import (
	"encoding/hex"
	"errors"
)

// UUID is the id of a thing: 36 characters on the wire, 16 bytes here. It converts to and from any other 16-byte id.
type UUID [16]byte

// errNotUUID says that a text is not the 36-character form.
var errNotUUID = errors.New("not a UUID")

// uuidGroups are the five groups of hex digits in the text form.
var uuidGroups = [...]struct{ from, to int }{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}}

const uuidLength = 36

// ParseUUID reads the 36-character form of a UUID of any version, in either case, and nothing else.
func ParseUUID[T string | []byte](s T) (UUID, error) {
	var id UUID
	if len(s) != uuidLength || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, errNotUUID
	}
	at := 0
	for _, group := range uuidGroups {
		for i := group.from; i < group.to; i += 2 {
			high, low := hexDigit(s[i]), hexDigit(s[i+1])
			if high > 15 || low > 15 {
				return UUID{}, errNotUUID
			}
			id[at] = high<<4 | low
			at++
		}
	}
	return id, nil
}

// hexDigit is a digit's value, or 255.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	default:
		return 255
	}
}

// IsZero tells whether the id names nothing.
func (u UUID) IsZero() bool { return u == UUID{} }

// String is the 36-character form in lower case.
func (u UUID) String() string { return string(u.append(nil)) }

// append appends the 36-character form in lower case.
func (u UUID) append(dst []byte) []byte {
	at := 0
	for i, group := range uuidGroups {
		if i > 0 {
			dst = append(dst, '-')
		}
		n := (group.to - group.from) / 2
		dst = hex.AppendEncode(dst, u[at:at+n])
		at += n
	}
	return dst
}

// MarshalText is String for encoding/json.
func (u UUID) MarshalText() ([]byte, error) { return u.append(nil), nil }

// UnmarshalText is ParseUUID for encoding/json.
func (u *UUID) UnmarshalText(text []byte) (err error) {
	*u, err = ParseUUID(text)
	return err
}
