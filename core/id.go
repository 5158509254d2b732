package core

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// ID is a UUID that belongs to one kind of thing, so that a mitra's id cannot be passed where a session's is meant.
// Its text form is the 36 characters of RFC 9562, section 4; the zero value means "none". IDs are comparable and
// convert to any other 16-byte type.
type ID[K any] [16]byte

// A phantom type for each kind of thing.
type (
	userKind        struct{}
	customerKind    struct{}
	mitraKind       struct{}
	operatorKind    struct{}
	authSessionKind struct{}
	otpRequestKind  struct{}
	connKind        struct{}
	sessionKind     struct{}
	offerKind       struct{}
	packageKind     struct{}
	paymentKind     struct{}
	extensionKind   struct{}
	refundKind      struct{}
)

// The identifiers of the domain. A UserID is the id of a customer, a mitra or an operator: unique over all three.
type (
	UserID        = ID[userKind]
	CustomerID    = ID[customerKind]
	MitraID       = ID[mitraKind]
	OperatorID    = ID[operatorKind]
	AuthSessionID = ID[authSessionKind]
	OTPRequestID  = ID[otpRequestKind]
	ConnID        = ID[connKind]
	SessionID     = ID[sessionKind]
	OfferID       = ID[offerKind]
	PackageID     = ID[packageKind]
	PaymentID     = ID[paymentKind]
	ExtensionID   = ID[extensionKind]
	RefundID      = ID[refundKind]
)

// NewID makes a UUIDv7 (RFC 9562, section 5.7): ids made later sort later, which keeps indexes dense.
func NewID[T ~[16]byte]() T {
	return T(uuid.Must(uuid.NewV7()))
}

// ParseID reads the 36-character form of a UUID of any version, in either case, and nothing else: no braces, no URN, no bare
// hex. The error carries BAD_MESSAGE.
func ParseID[T ~[16]byte](s string) (T, error) {
	var id T
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, Errorf(BadMessage, "not a UUID")
	}
	out := 0
	for _, part := range [...]struct{ from, to int }{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}} {
		n, err := hex.Decode(id[out:], []byte(s[part.from:part.to]))
		if err != nil {
			return T{}, Errorf(BadMessage, "not a UUID")
		}
		out += n
	}
	return id, nil
}

// MustParseID is ParseID for constants of tests and seeds.
func MustParseID[T ~[16]byte](s string) T {
	id, err := ParseID[T](s)
	if err != nil {
		panic(fmt.Sprintf("core: %q: %v", s, err))
	}
	return id
}

// IsZero tells whether the id names nothing.
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// Bytes are the id's own, whatever it is the id of.
func (id ID[K]) Bytes() [16]byte { return id }

// String is the 36-character text form.
func (id ID[K]) String() string { return uuid.UUID(id).String() }

// Append appends what String gives.
func (id ID[K]) Append(dst []byte) []byte {
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

// MarshalText makes ids usable as JSON strings and map keys. The zero id is the empty string.
func (id ID[K]) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return uuid.UUID(id).MarshalText()
}

// UnmarshalText is the inverse of MarshalText.
func (id *ID[K]) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*id = ID[K]{}
		return nil
	}
	*id, err = ParseID[ID[K]](string(text))
	return err
}

// Value stores the zero id as NULL (database/sql/driver.Valuer).
func (id ID[K]) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.String(), nil
}

// Scan reads NULL as the zero id (database/sql.Scanner).
func (id *ID[K]) Scan(src any) (err error) {
	switch src := src.(type) {
	case nil:
		*id = ID[K]{}
	case string:
		*id, err = ParseID[ID[K]](src)
	case []byte:
		if len(src) == len(*id) {
			copy(id[:], src)
			return nil
		}
		*id, err = ParseID[ID[K]](string(src))
	case [16]byte:
		*id = src
	default:
		return fmt.Errorf("core: cannot read an id from %T", src)
	}
	return err
}
