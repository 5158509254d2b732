package socket

import "bytes"

// errors of a head, as shown to the app's developer.
var (
	badRequestLine = malformed("the request line is malformed")
	badField       = malformed("a header field is malformed")
)

// whose says to whom a request belongs, as far as its first bytes tell.
type whose int

const (
	unknown whose = iota
	ours          // a GET of the sockets' path
	foreign       // for HTTP
)

// classify looks at the first bytes of a connection.
func classify(data []byte, path string) whose {
	const method = "GET "
	line := len(method) + len(path)
	n := min(len(data), line)
	if string(data[:min(n, len(method))]) != method[:min(n, len(method))] {
		return foreign
	}
	if n > len(method) && string(data[len(method):n]) != path[:n-len(method)] {
		return foreign
	}
	switch {
	case len(data) <= line:
		return unknown
	case data[line] == ' ' || data[line] == '?':
		return ours
	}
	return foreign
}

// hopeless tells that no HTTP request begins like this, so that waiting for its end makes no sense.
func hopeless(data []byte) bool { return len(data) > 0 && !tokenChars[data[0]] }

// headEnd is the length of the request head at the start of data with its empty line, 0 when it is not whole. It takes a bare LF
// for a line's end, too, so that a head with such lines is found out and refused instead of waited for.
func headEnd(data []byte) int {
	for i := 0; ; i++ {
		next := bytes.IndexByte(data[i:], '\n')
		if next < 0 {
			return 0
		}
		i += next
		switch rest := data[i+1:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 2
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 3
		}
	}
}

// parse reads a whole head, strictly: whatever another reader could take for something else is an error. The request
// points into head.
func (r *Request) parse(head []byte) *refusal {
	r.fields = r.fields[:0]
	line, rest, ok := cutLine(head)
	if !ok || !r.parseRequestLine(line) {
		return badRequestLine
	}
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return badField
		}
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		// A name with a space is either a space before the colon or a continuation of the line before (obs-fold).
		if !ok || !isToken(name) {
			return badField
		}
		value = bytes.Trim(value, " \t")
		r.fields = append(r.fields, field{name: name, value: value})
	}
}

func (r *Request) parseRequestLine(line []byte) bool {
	method, line, ok := bytes.Cut(line, []byte{' '})
	if !ok || string(method) != "GET" {
		return false
	}
	target, version, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(version) != len("HTTP/1.1") || string(version[:7]) != "HTTP/1." || version[7] != '0' && version[7] != '1' {
		return false
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	r.target, r.minor = target, version[7]
	return true
}

// cutLine takes one line, ended by CRLF, from the front. A line with any other control character than a tab is not one.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return nil, nil, false
	}
	line = b[:end-1]
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, false
		}
	}
	return line, b[end+1:], true
}

// isToken tells whether b is a token (RFC 9110, 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

// tokenChars marks the characters of a token.
var tokenChars = func() (set [256]bool) {
	for c := range set {
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		set[c] = alphanumeric || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0 && c < 0x80
	}
	return set
}()
