package protocol

import (
	"fmt"
	"unicode/utf8"
)

// maxInteger is the largest integer that every language reads exactly.
const maxInteger = 1 << 53

// decodeBare reads the body of a message without fields.
func decodeBare(body []byte) error {
	if body == nil {
		return nil
	}
	f := startBody(body)
	return f.end()
}

// startBody begins to read a body; nil is one without fields.
func startBody(body []byte) fields {
	f := fields{purpose: reading, buf: body}
	if body != nil {
		f.readMap(&f.open[0], 0)
	}
	return f
}

// end is the first error of the walk.
func (f *fields) end() error {
	if f.err == nil {
		return nil
	}
	return f.err
}

// fail notes the first error; its field is found from the maps and lists that are open.
func (f *fields) fail(name, reason string) {
	if f.err != nil {
		return
	}
	path := ""
	for _, scope := range f.open[1 : f.depth+1] {
		if scope.name == "" {
			path += fmt.Sprintf("[%d]", scope.index)
		} else {
			path = join(path, scope.name)
		}
	}
	if name != "" {
		path = join(path, name)
	}
	if path == "" {
		path = "body"
	}
	f.err = &FieldError{Field: path, Reason: reason}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// readMap opens the map at buf[at]: its keys are texts and none comes twice.
func (f *fields) readMap(s *scope, at int) bool {
	t := readToken(f.buf, at)
	if t.class != classMap || t.children() > uint64(len(f.buf)-at) {
		f.fail("", "must be a map")
		return false
	}
	s.head, s.count = at+t.size, int(t.n)
	s.at, s.next = s.head, 0
	var seen uint64 // one bit a hash: only a bit that is set already makes a search for the twin worth it
	at = s.head
	for i := range s.count {
		key, value, ok := readText(f.buf, at)
		if !ok || !utf8.Valid(key) {
			f.fail("", "must have texts as keys")
			return false
		}
		bit := uint64(1) << (hash(key) % 64)
		if seen&bit != 0 && f.hasKey(s.head, i, key) {
			f.fail(nameable(key), "comes twice")
			return false
		}
		seen |= bit
		at = skip(f.buf, value)
	}
	return true
}

// hash is FNV-1a.
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// hasKey tells whether key is among the first n of the pairs at buf[at].
func (f *fields) hasKey(at, n int, key []byte) bool {
	for range n {
		other, value, _ := readText(f.buf, at)
		if string(other) == string(key) {
			return true
		}
		at = skip(f.buf, value)
	}
	return false
}

// nameable is a key that may be repeated in an error; a long one is not.
func nameable(key []byte) string {
	const longest = 64
	if len(key) > longest {
		return ""
	}
	return string(key)
}

// find looks for a field in the innermost map. Fields in the order of the wire are found at the first look. nil is as
// good as absent, and an error when the field is required.
func (f *fields) find(name string, need need) (value int, ok bool) {
	if f.err != nil {
		return 0, false
	}
	s := &f.open[f.depth]
	for range s.count {
		if s.next == s.count {
			s.at, s.next = s.head, 0
		}
		key, value, _ := readText(f.buf, s.at)
		s.at, s.next = skip(f.buf, value), s.next+1
		if string(key) == name {
			if readToken(f.buf, value).class == classNil {
				break
			}
			return value, true
		}
	}
	if need == required {
		f.fail(name, "is required")
	}
	return 0, false
}

// readText reads a field that is text of so many characters.
func (f *fields) readText(name string, need need, shortest, longest int) ([]byte, bool) {
	at, ok := f.find(name, need)
	if !ok {
		return nil, false
	}
	text, _, ok := readText(f.buf, at)
	if !ok {
		f.fail(name, "must be text")
		return nil, false
	}
	if !utf8.Valid(text) {
		f.fail(name, "must be UTF-8")
		return nil, false
	}
	if len(text) < shortest {
		f.fail(name, "must not be empty")
		return nil, false
	}
	if longest != anyLength && utf8.RuneCount(text) > longest {
		f.fail(name, fmt.Sprintf("must have at most %d characters", longest))
		return nil, false
	}
	return text, true
}

// readNumber reads a field that is an integer from 0 to 2^53.
func (f *fields) readNumber(name string, need need) (uint64, bool) {
	at, ok := f.find(name, need)
	if !ok {
		return 0, false
	}
	t := readToken(f.buf, at)
	switch {
	case t.class == classNegative:
		f.fail(name, "must not be negative")
	case t.class != classUint:
		f.fail(name, "must be an integer")
	case t.n > maxInteger:
		f.fail(name, "must be at most 2^53")
	default:
		return t.n, true
	}
	return 0, false
}
