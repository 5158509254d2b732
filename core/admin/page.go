package admin

import (
	"encoding/base64"
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/halobestie/bestie-gateway/core"
)

// The bounds of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// Order says by what a list is sorted, and thereby what its cursors hold.
type Order byte

// The orders. A cursor of one order is refused by a list in another.
const (
	Newest  Order = 'c' // by the time of creation, newest first: At, ID
	Latest  Order = 'n' // by a running number, last first: Number
	ByName  Order = 't' // by name, in either case: Text, ID
	ByPhone Order = 'p' // by phone: Text, ID
)

// Key is where an item stands in its list. Which fields count is the order's matter.
type Key struct {
	At     time.Time
	Number int64
	ID     [16]byte
	Text   string
}

// Page asks for a part of a list.
type Page struct {
	Limit  int    // 0: DefaultLimit
	Cursor string // empty: the first page
}

// Span is a page as the store understands it: up to Limit items behind After.
type Span struct {
	Order Order
	After *Key // nil: from the start
	Limit int
}

// List is a page of items, and the cursor of the next one: empty when this was the last.
type List[T any] struct {
	Items []T
	Next  string
}

const (
	cursorHead = 1 + 8 + 16
	maxText    = 400 // bytes: a name has at most 100 characters
)

// span checks a page. BAD_MESSAGE of limit or cursor. One item more than asked for is read, to see whether there is a next page.
func (p Page) span(order Order) (Span, error) {
	s := Span{Order: order, Limit: p.Limit}
	if s.Limit == 0 {
		s.Limit = DefaultLimit
	}
	if s.Limit < 1 || s.Limit > MaxLimit {
		return Span{}, core.FieldError("limit", "must be from 1 to %d", MaxLimit)
	}
	s.Limit++
	if p.Cursor == "" {
		return s, nil
	}
	key, ok := parseCursor(order, p.Cursor)
	if !ok {
		return Span{}, core.FieldError("cursor", "is none of this list")
	}
	s.After = &key
	return s, nil
}

// listOf cuts what a span read to the page that was asked for.
func listOf[T any](s Span, items []T, key func(T) Key) List[T] {
	if len(items) < s.Limit {
		return List[T]{Items: items}
	}
	items = items[:s.Limit-1]
	return List[T]{Items: items, Next: cursor(s.Order, key(items[len(items)-1]))}
}

// cursor writes a key: the order, a number or a time, an id, a text.
func cursor(order Order, k Key) string {
	n := k.Number
	if order == Newest {
		n = k.At.UnixMicro() // as exact as Postgres
	}
	raw := append([]byte{byte(order)}, make([]byte, 8)...)
	binary.BigEndian.PutUint64(raw[1:], uint64(n))
	raw = append(append(raw, k.ID[:]...), k.Text...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parseCursor(order Order, text string) (k Key, ok bool) {
	if len(text) > base64.RawURLEncoding.EncodedLen(cursorHead+maxText) {
		return Key{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < cursorHead || Order(raw[0]) != order {
		return Key{}, false
	}
	k.Number = int64(binary.BigEndian.Uint64(raw[1:]))
	copy(k.ID[:], raw[9:])
	k.Text = string(raw[cursorHead:])
	if order == Newest {
		k.At, k.Number = time.UnixMicro(k.Number).UTC(), 0
		if k.At.Year() < 1970 || k.At.Year() > 9999 {
			return Key{}, false // Postgres does not reach as far as the number
		}
	}
	for _, c := range k.Text {
		if c == 0 {
			return Key{}, false
		}
	}
	return k, utf8.ValidString(k.Text)
}
