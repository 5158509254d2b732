package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	maxBody  = 64 << 10
	maxDepth = 16
)

// content is a request's body, which says that it is JSON; nil when it was left out and may be.
func content(w http.ResponseWriter, r *http.Request, required bool) ([]byte, error) {
	body, err := read(w, r)
	switch {
	case err != nil:
		return nil, err
	case len(body) == 0 && required:
		return nil, core.Errorf(core.BadMessage, "the body is missing")
	case len(body) == 0:
		return nil, nil
	}
	return body, isJSON(r.Header)
}

func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, core.Errorf(core.UnsupportedMedia, "no Content-Encoding is read")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, core.Errorf(core.TooLarge, "a body may have %d bytes", maxBody)
	case err != nil:
		return nil, core.Errorf(core.BadMessage, "the body did not arrive whole")
	}
	return body, nil
}

// isJSON wants to be told so: a form of a foreign site cannot send this content type without the browser asking first.
func isJSON(header http.Header) error {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || kind != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return core.Errorf(core.UnsupportedMedia, "Content-Type must be application/json")
	}
	return nil
}

// inspect takes nothing of a body on trust: exactly one value, every field known to its type under exactly its name and there once,
// text that is UTF-8 and without NUL. UNKNOWN_FIELD and BAD_MESSAGE name the field.
func inspect(body []byte, t reflect.Type) error {
	if !utf8.Valid(body) {
		return core.Errorf(core.BadMessage, "the body is not UTF-8")
	}
	tokens := json.NewDecoder(bytes.NewReader(body))
	tokens.UseNumber()
	if err := check(tokens, t, "", 0); err != nil {
		return err
	}
	if _, err := tokens.Token(); !errors.Is(err, io.EOF) {
		return core.Errorf(core.BadMessage, "something follows the JSON value")
	}
	return nil
}

// check walks one JSON value beside the type that it is for. encoding/json alone would take a field in any case, and the
// last of two with one name.
func check(tokens *json.Decoder, t reflect.Type, path string, depth int) error {
	if depth > maxDepth {
		return core.Errorf(core.BadMessage, "nested too deeply")
	}
	token, err := tokens.Token()
	if err != nil {
		return errNotJSON()
	}
	switch token := token.(type) {
	case string:
		return checkText(token, path)
	case json.Delim:
		if token == '{' {
			return checkObject(tokens, t, path, depth)
		}
		return checkArray(tokens, t, path, depth)
	}
	return nil
}

func checkObject(tokens *json.Decoder, t reflect.Type, path string, depth int) error {
	known := fieldsOf(t)
	seen := map[string]bool{}
	for tokens.More() {
		key, err := tokens.Token()
		if err != nil {
			return errNotJSON()
		}
		name, _ := key.(string) // a key is nothing else
		field := join(path, name)
		if err := checkText(name, path); err != nil {
			return err
		}
		if seen[name] {
			return core.FieldError(field, "stands there twice")
		}
		seen[name] = true
		of, ok := known[name]
		if !ok && known != nil {
			return &core.Error{Code: core.UnknownField, Field: field, Message: "no such field; there " + these(known)}
		}
		if err := check(tokens, of, field, depth+1); err != nil {
			return err
		}
	}
	return closing(tokens)
}

func checkArray(tokens *json.Decoder, t reflect.Type, path string, depth int) error {
	var of reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		of = t.Elem()
	}
	for tokens.More() {
		if err := check(tokens, of, path, depth+1); err != nil {
			return err
		}
	}
	return closing(tokens)
}

func closing(tokens *json.Decoder) error {
	if _, err := tokens.Token(); err != nil {
		return errNotJSON()
	}
	return nil
}

// checkText refuses NUL, which Postgres does not store.
func checkText(text, field string) error {
	if strings.ContainsRune(text, 0) {
		return core.FieldError(field, "must not contain NUL")
	}
	return nil
}

// fieldsOf lists the JSON fields of a struct type; nil for a type that takes any.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	fields := make(map[string]reflect.Type, t.NumField())
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			fields[name] = field.Type
		}
	}
	return fields
}

// these names what there is, for somebody who has mistyped one.
func these[T any](known map[string]T) string {
	if len(known) == 0 {
		return "are none"
	}
	return "are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func errNotJSON() error { return core.Errorf(core.BadMessage, "the body is not valid JSON") }
