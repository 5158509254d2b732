package socket

import (
	"bytes"
	"encoding/base64"
	"iter"
	"net/http"

	"github.com/halobestie/bestie-gateway/core"
)

// Request is a checked upgrade request. It and every slice it gives are valid during Handler.Upgrade only: copy what is
// kept.
type Request struct {
	target []byte
	minor  byte // of HTTP/1.x, as its digit
	fields []field
}

type field struct{ name, value []byte }

// Target is the request target: path and query.
func (r *Request) Target() []byte { return r.target }

// Header is the first value of a field, whatever the case of its name; nil when absent.
func (r *Request) Header(name string) []byte {
	for value := range r.Values(name) {
		return value
	}
	return nil
}

// Values gives every value of a field in order.
func (r *Request) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, f := range r.fields {
			if equalFold(f.name, name) && !yield(f.value) {
				return
			}
		}
	}
}

// Origin is the Origin field, checked against AllowedOrigins already; nil for what is no browser.
func (r *Request) Origin() []byte { return r.Header("Origin") }

// Authorization is the Authorization field; nil when absent.
func (r *Request) Authorization() []byte { return r.Header("Authorization") }

// Subprotocols gives the subprotocols that the client offers, in its order of preference, over all lines of the field.
func (r *Request) Subprotocols() iter.Seq[[]byte] { return r.elements("Sec-WebSocket-Protocol") }

// elements gives the elements of a comma-separated list, over all lines of the field (RFC 9110, 5.6.1: empty ones do not
// count).
func (r *Request) elements(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for value := range r.Values(name) {
			for element := range bytes.SplitSeq(value, []byte{','}) {
				if element = bytes.Trim(element, " \t"); len(element) > 0 && !yield(element) {
					return
				}
			}
		}
	}
}

func (r *Request) has(name, element string) bool {
	for e := range r.elements(name) {
		if equalFold(e, element) {
			return true
		}
	}
	return false
}

// find gives the last value of a field and how often it stands there.
func (r *Request) find(name string) (value []byte, n int) {
	for value = range r.Values(name) {
		n++
	}
	return value, n
}

// refusal is the answer to a request that does not become a socket.
type refusal struct {
	status  int
	code    string
	message string
}

func malformed(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: string(core.BadMessage), message: message}
}

// wantsSocket tells whether the request asks for a WebSocket at all, well or not.
func (r *Request) wantsSocket() bool { return r.has("Upgrade", "websocket") }

// check holds an upgrade against RFC 6455, 4.2.1, and against what a proxy before us may read otherwise than we do: that
// is how requests are smuggled. nil when it is well.
func (r *Request) check() *refusal {
	if host, n := r.find("Host"); n != 1 || len(host) == 0 || bytes.ContainsAny(host, " \t/?#@,") {
		return malformed("exactly one Host is needed")
	}
	if r.minor != '1' {
		return malformed("HTTP/1.1 is needed")
	}
	if _, n := r.find("Transfer-Encoding"); n > 0 {
		return malformed("an upgrade has no body")
	}
	if length, n := r.find("Content-Length"); n > 1 || n == 1 && string(length) != "0" {
		return malformed("an upgrade has no body")
	}
	if !r.has("Connection", "upgrade") {
		return malformed("Connection must name Upgrade")
	}
	if version, n := r.find("Sec-WebSocket-Version"); n > 1 {
		return malformed("exactly one Sec-WebSocket-Version is needed")
	} else if string(version) != "13" {
		return &refusal{status: http.StatusUpgradeRequired, code: string(core.BadMessage), message: "WebSocket version 13 is needed"}
	}
	if key, n := r.find("Sec-WebSocket-Key"); n != 1 || !validKey(key) {
		return malformed("exactly one Sec-WebSocket-Key of 16 bytes in base64 is needed")
	}
	if _, n := r.find("Origin"); n > 1 {
		return malformed("at most one Origin is allowed")
	}
	for name := range r.Subprotocols() {
		if !isToken(name) {
			return malformed("Sec-WebSocket-Protocol is not a list of tokens")
		}
	}
	return nil
}

func validKey(key []byte) bool {
	var raw [18]byte
	if len(key) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Decode(raw[:], key)
	return err == nil && n == 16
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
