package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Check tells whether an answer is one that the document announces: the route, the status, and every value of the body. It
// is how tests keep the document true.
func (d *Document) Check(method, path string, code int, body []byte) error {
	operation := d.Paths[d.Template(method, path)][strings.ToLower(method)]
	if operation == nil {
		return fmt.Errorf("%s %s is not described", method, path)
	}
	response := operation.Responses[status(code)]
	if response == nil {
		return fmt.Errorf("%s %s: status %d is not described", method, path, code)
	}
	media, has := response.Content["application/json"]
	if !has {
		if len(body) > 0 && len(response.Content) == 0 {
			return fmt.Errorf("%s %s: %d has a body and should have none", method, path, code)
		}
		return nil
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("%s %s: %d: %w", method, path, code, err)
	}
	if err := d.check(media.Schema, value, "body"); err != nil {
		return fmt.Errorf("%s %s: %d: %w", method, path, code, err)
	}
	return nil
}

// check holds a decoded value against a schema; at names where it stands.
func (d *Document) check(s *Schema, value any, at string) error {
	s = d.resolve(s)
	if len(s.OneOf) > 0 {
		return d.checkOneOf(s, value, at)
	}
	if got := typeOf(value); len(s.Type) > 0 && !slices.Contains(s.Type, got) {
		return fmt.Errorf("%s is %s, not %s", at, got, strings.Join(s.Type, " or "))
	}
	switch value := value.(type) {
	case string:
		return checkText(s, value, at)
	case json.Number:
		return checkNumber(s, value, at)
	case []any:
		for i, item := range value {
			if s.Items == nil {
				break
			}
			if err := d.check(s.Items, item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		return d.checkObject(s, value, at)
	}
	return nil
}

func (d *Document) checkOneOf(s *Schema, value any, at string) error {
	var err error
	for _, choice := range s.OneOf {
		if err = d.check(choice, value, at); err == nil {
			return nil
		}
		if value != nil {
			return err // the first choice is what it is when it is not null
		}
	}
	return err
}

func (d *Document) checkObject(s *Schema, value map[string]any, at string) error {
	for _, name := range s.Required {
		if _, has := value[name]; !has {
			return fmt.Errorf("%s.%s is missing", at, name)
		}
	}
	for name, inner := range value {
		of, known := s.Properties[name]
		switch {
		case known:
			if err := d.check(of, inner, at+"."+name); err != nil {
				return err
			}
		case s.Additional != nil && !*s.Additional:
			return fmt.Errorf("%s.%s is not described", at, name)
		}
	}
	return nil
}

func checkText(s *Schema, value, at string) error {
	length := int64(utf8.RuneCountInString(value))
	switch {
	case s.Format == "uuid" && len(value) != 36:
		return fmt.Errorf("%s is not a UUID: %q", at, value)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, value):
		return fmt.Errorf("%s is %q, none of %v", at, value, s.Enum)
	case s.MinLength != nil && length < *s.MinLength, s.MaxLength != nil && length > *s.MaxLength:
		return fmt.Errorf("%s has %d characters", at, length)
	}
	return nil
}

func checkNumber(s *Schema, value json.Number, at string) error {
	n, err := value.Int64()
	switch {
	case err != nil:
		return fmt.Errorf("%s is %s, not an integer", at, value)
	case s.Minimum != nil && n < *s.Minimum, s.Maximum != nil && n > *s.Maximum:
		return fmt.Errorf("%s is %d, out of bounds", at, n)
	}
	return nil
}

func typeOf(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if f, err := value.Float64(); err == nil && f == math.Trunc(f) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}
