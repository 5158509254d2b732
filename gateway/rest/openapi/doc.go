// Package openapi describes an HTTP interface as OpenAPI 3.1 does, from the Go types that the interface is made of, and holds
// real answers against such a description.
//
//	types of requests and answers ──Of──► schemas ──┐
//	table of routes ──────────────────► operations ─┴─► Document ──► JSON
//	                                                        ├──Check──► does this answer keep what the document says?
//	                                                        └──Seen───► which answers does it promise that nobody ever got?
//
// It knows the part of JSON Schema that it writes itself: types, properties, required, items, enum, bounds, references. A
// field is described by its tags:
//
//	json:"name,omitempty"   its name; with omitempty or omitzero, or as a pointer in a request, it may be left out
//	doc:"…"                 what it means
//	enum:"a,b"              the words that it may be
//	min:"1" max:"10"        bounds of a number, or of a text's length in characters
package openapi
