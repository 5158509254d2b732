package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Mistakes are all that is wrong with the environment, one line each: the setting's name, then what is wrong.
type Mistakes []string

// Error is the lines, after a sentence.
func (m Mistakes) Error() string {
	return "the configuration is not valid:\n  " + strings.Join(m, "\n  ")
}

// checker is a group with rules that bounds cannot say. check may fill in what follows from other settings.
type checker interface {
	check(report func(name, what string))
}

// Load reads the environment (as os.Environ gives it) into T, a struct made of this package's groups. A variable that is
// set but empty counts as not set. The error is of type Mistakes.
func Load[T any](environ []string) (T, error) {
	var (
		into     T
		mistakes Mistakes
		report   = func(name, what string) { mistakes = append(mistakes, name+" "+what) }
	)
	err := env.ParseWithOptions(&into, env.Options{Environment: present(environ)})
	for _, parse := range parseErrors(err) {
		report(variableOf(reflect.TypeFor[T](), parse.Name), notA(parse.Type))
	}
	walk(reflect.ValueOf(&into).Elem(), func(field reflect.StructField, value reflect.Value) {
		checkField(field, value, report)
	}, func(group checker) { group.check(report) })
	if len(mistakes) > 0 {
		slices.Sort(mistakes)
		return into, slices.Compact(mistakes)
	}
	return into, nil
}

// present turns KEY=value lines into a map, without the empty ones.
func present(environ []string) map[string]string {
	vars := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && value != "" {
			vars[name] = value
		}
	}
	return vars
}

// parseErrors picks what env could not read. Its own texts are not used: they show values.
func parseErrors(err error) (all []env.ParseError) {
	var aggregate env.AggregateError
	if errors.As(err, &aggregate) {
		for _, e := range aggregate.Errors {
			var parse env.ParseError
			if errors.As(e, &parse) {
				all = append(all, parse)
			}
		}
	}
	return all
}

// walk visits every setting of a struct, and then every group in it.
func walk(v reflect.Value, setting func(reflect.StructField, reflect.Value), group func(checker)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			walk(v.Field(i), setting, group)
			if c, ok := v.Field(i).Addr().Interface().(checker); ok {
				group(c)
			}
			continue
		}
		setting(field, v.Field(i))
	}
}

func checkField(field reflect.StructField, value reflect.Value, report func(name, what string)) {
	name := field.Tag.Get("env")
	if field.Tag.Get("required") != "" && value.IsZero() {
		report(name, "is missing: "+field.Tag.Get("doc"))
	}
	if choices := field.Tag.Get("choices"); choices != "" && !slices.Contains(strings.Split(choices, ","), value.String()) {
		report(name, "must be one of: "+strings.ReplaceAll(choices, ",", ", "))
	}
	if low, high, ok := bounds(field); ok && (value.Int() < low || value.Int() > high) {
		report(name, fmt.Sprintf("must be from %d to %d", low, high))
	}
}

func bounds(field reflect.StructField) (low, high int64, ok bool) {
	low, errLow := strconv.ParseInt(field.Tag.Get("min"), 10, 64)
	high, errHigh := strconv.ParseInt(field.Tag.Get("max"), 10, 64)
	return low, high, errLow == nil && errHigh == nil
}

func variableOf(t reflect.Type, fieldName string) string {
	if field, ok := t.FieldByName(fieldName); ok {
		return field.Tag.Get("env")
	}
	return fieldName
}

func notA(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int:
		if t == reflect.TypeFor[int]() {
			return "must be a whole number"
		}
		return "must be debug, info, warn or error" // slog.Level
	default:
		return "cannot be read as " + t.String()
	}
}
