package protocol

import (
	"fmt"
	"strings"
)

// FieldError says which field of a body has the wrong shape, and what shape it should have: error BAD_MESSAGE, the
// socket stays open.
type FieldError struct {
	Field  string // as on the wire, "state.sessions[2].version" inside; "body" when it is no map at all
	Reason string // for a person who develops an app
}

// Error is both.
func (e *FieldError) Error() string { return fmt.Sprintf("protocol: %s %s", e.Field, e.Reason) }

// need tells whether a field must be there.
type need bool

const (
	required need = true
	optional need = false
)

// anyLength is the upper bound of a text that has none of its own: the message's size bounds it.
const anyLength = -1

// maxNesting bounds how deep a message's fields go: body, state, sessions, one of them, its payment.
const maxNesting = 6

// purpose is what a walk over a message's fields is for.
type purpose uint8

const (
	writing purpose = iota
	reading
	describing
)

// fields is a walk over the fields of one message, in the order of the wire. A message's fields method calls one method of it for
// each field; depending on the purpose that writes the field to buf, reads it out of buf, or adds it to the schema.
// After the first error the walk goes on and does nothing.
type fields struct {
	purpose purpose
	buf     []byte // writing: what was written so far; reading: the body
	frame   int    // writing: where the frame begins in buf
	depth   int
	open    [maxNesting]scope // the maps and lists around the current field
	err     *FieldError
	schema  *schema // describing
}

// scope is one open map or list.
type scope struct {
	name  string // the field that holds it
	index int    // reading: which one of a list it is, when it has no name
	head  int    // writing: where its one-byte head stands; reading: where its first pair or value stands
	count int    // pairs or values; writing: so far
	at    int    // reading: where the next pair or value stands
	next  int    // reading: the number of that pair
}

// uuid is an id; all of them are required.
func (f *fields) uuid(name string, id *UUID) {
	switch f.purpose {
	case writing:
		f.key(name)
		f.buf = id.append(appendTextHead(f.buf, uuidLength))
	case reading:
		at, ok := f.find(name, required)
		if !ok {
			return
		}
		text, _, _ := readText(f.buf, at)
		parsed, err := ParseUUID(text)
		if err != nil {
			f.fail(name, "must be a UUID of 36 characters")
			return
		}
		*id = parsed
	case describing:
		f.schema.add(name, required, property{Type: "string", Format: "uuid"})
	}
}

// text is free text of so many characters. An optional one is absent when it is empty.
func (f *fields) text(name string, need need, s *string, shortest, longest int) {
	switch f.purpose {
	case writing:
		if need == required || *s != "" {
			f.key(name)
			f.buf = appendText(f.buf, *s)
		}
	case reading:
		if text, ok := f.readText(name, need, shortest, longest); ok {
			*s = string(text)
		}
	case describing:
		p := property{Type: "string", MinLength: shortest}
		if longest != anyLength {
			p.MaxLength = longest
		}
		f.schema.add(name, need, p)
	}
}

// choice is one of a closed list of words: what apps may choose from.
func (f *fields) choice(name string, need need, s *string, words []string) {
	f.word(name, need, s, words)
	if f.purpose != reading || f.err != nil || *s == "" && need == optional {
		return
	}
	for _, word := range words {
		if word == *s {
			return
		}
	}
	f.fail(name, "must be one of "+strings.Join(words, ", "))
}

// word is one of a list of words that may grow: what the gateway tells. Absent when it is empty and optional.
func (f *fields) word(name string, need need, s *string, words []string) {
	switch f.purpose {
	case writing:
		if need == required || *s != "" {
			f.key(name)
			f.buf = appendText(f.buf, *s)
		}
	case reading:
		text, ok := f.readText(name, need, 0, anyLength)
		if !ok {
			return
		}
		for _, word := range words {
			if string(text) == word {
				*s = word
				return
			}
		}
		*s = string(text)
	case describing:
		f.schema.add(name, need, property{Type: "string", Enum: words})
	}
}

// number is an integer from 0 to 2^53. An optional one is absent when it is 0.
func (f *fields) number(name string, need need, n *int64) {
	switch f.purpose {
	case writing:
		if need == required || *n != 0 {
			f.key(name)
			f.buf = appendUint(f.buf, uint64(max(*n, 0)))
		}
	case reading:
		if value, ok := f.readNumber(name, need); ok {
			*n = int64(value)
		}
	case describing:
		f.schema.add(name, need, integer(""))
	}
}

// time is a number: Unix milliseconds, UTC.
func (f *fields) time(name string, need need, ms *int64) {
	if f.purpose == describing {
		f.schema.add(name, need, integer("Unix milliseconds, UTC"))
		return
	}
	f.number(name, need, ms)
}

// count is a required number that is small.
func (f *fields) count(name string, n *int) {
	value := int64(*n)
	f.number(name, required, &value)
	*n = int(value)
}

// countOrNil is a count that is absent when it is nil: 0 means something.
func (f *fields) countOrNil(name string, n **int) {
	var value *int64
	if *n != nil {
		v := int64(**n)
		value = &v
	}
	f.numberOrNil(name, &value)
	if f.purpose == reading && value != nil {
		v := int(*value)
		*n = &v
	}
}

// numberOrNil is a number that is absent when it is nil: 0 means something.
func (f *fields) numberOrNil(name string, n **int64) {
	switch f.purpose {
	case writing:
		if *n != nil {
			f.number(name, required, *n)
		}
	case reading:
		if value, ok := f.readNumber(name, optional); ok {
			v := int64(value)
			*n = &v
		}
	case describing:
		var zero int64
		f.number(name, optional, &zero)
	}
}

// flag is a bool that is absent when it is false.
func (f *fields) flag(name string, b *bool) {
	switch f.purpose {
	case writing:
		if *b {
			f.key(name)
			f.buf = append(f.buf, codeTrue)
		}
	case reading:
		if at, ok := f.find(name, optional); ok {
			t := readToken(f.buf, at)
			if t.class != classBool {
				f.fail(name, "must be true or false")
				return
			}
			*b = t.n == 1
		}
	case describing:
		f.schema.add(name, optional, property{Type: "boolean"})
	}
}

const (
	frameOfTwo   = fixarrayLow | 2 // [kind, id]
	frameOfThree = fixarrayLow | 3 // [kind, id, body]
)

// appendBare appends a frame that has no body.
func appendBare(dst []byte, kind Kind, id uint32) []byte {
	return appendUint(appendUint(append(dst, frameOfTwo), uint64(kind)), uint64(id))
}

// startFrame begins to write a frame behind dst.
func startFrame(dst []byte, kind Kind, id uint32) fields {
	f := fields{purpose: writing, frame: len(dst)}
	f.buf = appendUint(appendUint(append(dst, frameOfThree), uint64(kind)), uint64(id))
	f.open[0].head = len(f.buf)
	f.buf = append(f.buf, fixmapLow)
	return f
}

// finish completes the frame: a body without fields is left out.
func (f *fields) finish() []byte {
	body := f.open[0]
	if body.count == 0 {
		f.buf[f.frame] = frameOfTwo
		return f.buf[:body.head]
	}
	f.buf[body.head] |= byte(body.count)
	return f.buf
}

// key writes a field's name. A map here has at most 15 fields, so its head is one byte, written when it is complete.
func (f *fields) key(name string) {
	f.open[f.depth].count++
	f.buf = appendText(f.buf, name)
}

// openMap begins a map as the value that comes next.
func (f *fields) openMap() {
	f.depth++
	f.open[f.depth] = scope{head: len(f.buf)}
	f.buf = append(f.buf, fixmapLow)
}

// closeMap completes the innermost map.
func (f *fields) closeMap() {
	f.buf[f.open[f.depth].head] |= byte(f.open[f.depth].count)
	f.depth--
}
