package openapi

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Schema is the part of JSON Schema 2020-12 that we use.
type Schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Type        Types              `json:"type,omitempty"`
	Format      string             `json:"format,omitempty"`
	Description string             `json:"description,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Minimum     *int64             `json:"minimum,omitempty"`
	Maximum     *int64             `json:"maximum,omitempty"`
	MinLength   *int64             `json:"minLength,omitempty"`
	MaxLength   *int64             `json:"maxLength,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	OneOf       []*Schema          `json:"oneOf,omitempty"`
	// Additional is false for objects whose properties are all named.
	Additional *bool `json:"additionalProperties,omitempty"`
}

// Types are the JSON types that a value may have: one is written as a word, several as a list.
type Types []string

// MarshalJSON implements json.Marshaler.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// Nullable is a type of which null is a value of its own: Inner says what it is else.
type Nullable interface {
	Inner() reflect.Type
}

// Direction says whether a type is read or written: in a request a pointer may be left out, in an answer it is null.
type Direction bool

// The two directions.
const (
	Request Direction = false
	Answer  Direction = true
)

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	nullableType = reflect.TypeFor[Nullable]()
	rawType      = reflect.TypeFor[json.RawMessage]()
)

// Of is the schema of a type. Named structs become components of the document and are referred to.
func (d *Document) Of(t reflect.Type, direction Direction) *Schema {
	switch {
	case t == rawType || t.Kind() == reflect.Interface:
		return &Schema{}
	case t.Implements(nullableType):
		return orNull(d.Of(reflect.Zero(t).Interface().(Nullable).Inner(), direction))
	case t.Kind() == reflect.Pointer:
		inner := d.Of(t.Elem(), direction)
		if direction == Answer {
			return orNull(inner)
		}
		return inner
	case t.Kind() == reflect.Array && t.Len() == 16 && reflect.PointerTo(t).Implements(textType):
		return &Schema{Type: Types{"string"}, Format: "uuid"}
	}
	switch t.Kind() {
	case reflect.String:
		return &Schema{Type: Types{"string"}}
	case reflect.Bool:
		return &Schema{Type: Types{"boolean"}}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64:
		return &Schema{Type: Types{"integer"}}
	case reflect.Slice:
		return &Schema{Type: Types{"array"}, Items: d.Of(t.Elem(), direction)}
	case reflect.Map:
		return &Schema{Type: Types{"object"}}
	case reflect.Struct:
		return d.object(t, direction)
	}
	panic(fmt.Sprintf("openapi: no schema for %s", t))
}

func orNull(s *Schema) *Schema {
	if s.Ref != "" {
		return &Schema{OneOf: []*Schema{s, {Type: Types{"null"}}}}
	}
	s.Type = append(s.Type, "null")
	return s
}

// object describes a struct by its fields with a json tag.
func (d *Document) object(t reflect.Type, direction Direction) *Schema {
	name := componentName(t)
	if name == "" || direction == Request {
		return d.fields(t, direction)
	}
	ref := &Schema{Ref: componentsPath + name}
	switch known := d.types[name]; known {
	case t:
	case nil:
		d.types[name] = t
		d.Components.Schemas[name] = d.fields(t, direction)
	default:
		panic(fmt.Sprintf("openapi: %s and %s would both be called %s", known, t, name))
	}
	return ref
}

func (d *Document) fields(t reflect.Type, direction Direction) *Schema {
	closed := false
	s := &Schema{Type: Types{"object"}, Properties: map[string]*Schema{}, Additional: &closed}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		s.Properties[name] = d.Field(field, direction)
		if !strings.Contains(options, "omit") && (direction == Answer || Required(field)) {
			s.Required = append(s.Required, name)
		}
	}
	slices.Sort(s.Required)
	return s
}

// Required tells whether a request must have the field: it can neither be left out nor be null.
func Required(field reflect.StructField) bool {
	return field.Type.Kind() != reflect.Pointer && !field.Type.Implements(nullableType) &&
		!strings.Contains(field.Tag.Get("json"), ",omit")
}

// Field is the schema of one field with what its tags say.
func (d *Document) Field(field reflect.StructField, direction Direction) *Schema {
	s := d.Of(field.Type, direction)
	doc, enum := field.Tag.Get("doc"), field.Tag.Get("enum")
	if s.Ref != "" {
		return s
	}
	s.Description = doc
	if enum != "" {
		s.Enum = strings.Split(enum, ",")
	}
	least, most := Bound(field, "min"), Bound(field, "max")
	if slices.Contains(s.Type, "string") {
		s.MinLength, s.MaxLength = least, most
	} else {
		s.Minimum, s.Maximum = least, most
	}
	return s
}

// Bound is what a tag min or max says; nil without it.
func Bound(field reflect.StructField, tag string) *int64 {
	text, is := field.Tag.Lookup(tag)
	if !is {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("openapi: %s of %s: %v", tag, field.Name, err))
	}
	return &n
}

// componentName makes Mitra of mitra, and MitraList of list[…mitra]; "" for a struct without a name.
func componentName(t reflect.Type) string {
	name, argument, generic := strings.Cut(t.Name(), "[")
	if generic {
		argument = strings.TrimSuffix(argument, "]")
		name = upper(argument[strings.LastIndexAny(argument, "./")+1:]) + upper(name)
	}
	return upper(name)
}

func upper(name string) string {
	if name == "" {
		return ""
	}
	runes := []rune(name)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}
