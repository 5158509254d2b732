package socket

import (
	"iter"
	"net/netip"
)

// Request is a checked upgrade request. It and every slice it gives are valid during Handler.Upgrade only: copy what is
// kept.
type Request struct {
	target []byte
	fields []field
	remote netip.AddrPort
}

type field struct{ name, value []byte }

// Remote is the peer's address: a proxy's, if there is one before us.
func (r *Request) Remote() netip.AddrPort { return r.remote }

// Target is the request target: path and query.
func (r *Request) Target() []byte { return r.target }

// Header is the first value of a field, whatever its case; nil when absent.
func (r *Request) Header(name string) []byte {
	for value := range r.Values(name) {
		return value
	}
	return nil
}

// Values gives every value of a field in order.
func (r *Request) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		panic("not built yet")
	}
}

// Origin is the Origin field, checked against AllowedOrigins already; nil for what is no browser.
func (r *Request) Origin() []byte { return r.Header("Origin") }

// Authorization is the Authorization field; nil when absent.
func (r *Request) Authorization() []byte { return r.Header("Authorization") }

// Subprotocols gives the subprotocols the client offers, in its order of preference, over all lines of the field.
func (r *Request) Subprotocols() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		panic("not built yet")
	}
}
