package rest

import (
	"encoding"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/julienschmidt/httprouter"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
)

// Nullable is a field of a request for which null is a value of its own, unlike being left out.
type Nullable[T any] struct {
	Set   bool // it was there
	Value *T   // nil: null
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Nullable[T]) UnmarshalJSON(text []byte) error {
	n.Set = true
	return json.Unmarshal(text, &n.Value)
}

// Inner implements openapi.Nullable.
func (Nullable[T]) Inner() reflect.Type { return reflect.TypeFor[T]() }

// bind fills a handler's input from a request.
func bind(w http.ResponseWriter, r *http.Request, params httprouter.Params, into reflect.Value) error {
	fields := reflect.VisibleFields(into.Type())
	for _, field := range fields {
		if name, is := field.Tag.Lookup("path"); is {
			if err := fromText(field, name, params.ByName(name), into.FieldByIndex(field.Index)); err != nil {
				return err
			}
		}
	}
	if err := bindQuery(r, fields, into); err != nil {
		return err
	}
	return bindBody(w, r, fields, into)
}

// bindQuery is strict only where there is something to be strict about: a filter with a typing mistake must not list
// everything.
func bindQuery(r *http.Request, fields []reflect.StructField, into reflect.Value) error {
	known := map[string]reflect.StructField{}
	for _, field := range fields {
		if name, is := field.Tag.Lookup("query"); is {
			known[name] = field
		}
	}
	if len(known) == 0 {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return core.Errorf(core.BadMessage, "the query cannot be read")
	}
	for name, values := range query {
		field, is := known[name]
		switch {
		case !is:
			return &core.Error{Code: core.UnknownField, Field: strings.ToValidUTF8(name, "?"), Message: "no such parameter; there " + these(known)}
		case len(values) > 1:
			return core.FieldError(name, "stands there twice")
		}
		if err := fromText(field, name, values[0], into.FieldByIndex(field.Index)); err != nil {
			return err
		}
	}
	return nil
}

// fromText reads a parameter of the path or the query.
func fromText(field reflect.StructField, name, text string, into reflect.Value) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return core.FieldError(name, "must be UTF-8 without NUL")
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	if reader, is := into.Addr().Interface().(encoding.TextUnmarshaler); is {
		if text == "" || reader.UnmarshalText([]byte(text)) != nil {
			return core.FieldError(name, "must be a UUID")
		}
		return nil
	}
	switch into.Kind() {
	case reflect.Bool:
		if text != "true" && text != "false" {
			return core.FieldError(name, "must be true or false")
		}
		into.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return core.FieldError(name, "must be a whole number")
		}
		into.SetInt(n)
	default:
		into.SetString(text)
	}
	return within(field, name, into)
}

// bindBody reads the JSON body field by field, so that every mistake has its name.
func bindBody(w http.ResponseWriter, r *http.Request, fields []reflect.StructField, into reflect.Value) error {
	if r.Method == http.MethodGet {
		return nil
	}
	named, required := map[string]reflect.StructField{}, false
	for _, field := range fields {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			named[name] = field
			required = required || openapi.Required(field)
		}
	}
	body, err := content(w, r, required)
	if err != nil || body == nil {
		return err
	}
	if err := inspect(body, into.Type()); err != nil {
		return err
	}
	var texts map[string]json.RawMessage
	if json.Unmarshal(body, &texts) != nil {
		return core.Errorf(core.BadMessage, "the body must be a JSON object")
	}
	for name, field := range named {
		text, there := texts[name]
		target := into.FieldByIndex(field.Index)
		_, nullable := target.Interface().(openapi.Nullable)
		switch {
		case !there && openapi.Required(field):
			return core.FieldError(name, "is missing")
		case !there:
			continue
		case string(text) == "null" && !nullable:
			return core.FieldError(name, "must not be null")
		}
		if err := fromJSON(name, text, target); err != nil {
			return err
		}
		if err := within(field, name, target); err != nil {
			return err
		}
	}
	return nil
}

func fromJSON(name string, text json.RawMessage, into reflect.Value) error {
	err := json.Unmarshal(text, into.Addr().Interface())
	var wrongType *json.UnmarshalTypeError
	var coded *core.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType):
		return core.FieldError(strings.TrimSuffix(join(name, wrongType.Field), "."), "must not be a %s", wrongType.Value)
	case errors.As(err, &coded):
		return core.FieldError(name, "%s", coded.Message)
	default:
		return core.FieldError(name, "cannot be read")
	}
}

// within holds a field to its tags: enum, min and max. What was left out or is null has no bounds.
func within(field reflect.StructField, name string, value reflect.Value) error {
	if _, nullable := value.Interface().(openapi.Nullable); nullable {
		value = value.FieldByName("Value")
	}
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	switch value.Kind() {
	case reflect.String:
		if enum := field.Tag.Get("enum"); enum != "" && !slices.Contains(strings.Split(enum, ","), value.String()) {
			return core.FieldError(name, "must be one of %s", strings.ReplaceAll(enum, ",", ", "))
		}
		return between(field, name, int64(utf8.RuneCountInString(value.String())), " characters")
	case reflect.Int, reflect.Int64:
		return between(field, name, value.Int(), "")
	}
	return nil
}

func between(field reflect.StructField, name string, n int64, unit string) error {
	if least := openapi.Bound(field, "min"); least != nil && n < *least {
		return core.FieldError(name, "must be at least %d%s", *least, unit)
	}
	if most := openapi.Bound(field, "max"); most != nil && n > *most {
		return core.FieldError(name, "must be at most %d%s", *most, unit)
	}
	return nil
}
