package openapi_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
)

type maybe struct{ Value *int }

func (maybe) Inner() reflect.Type { return reflect.TypeFor[int]() }

type inner struct {
	Word string `json:"word" enum:"a,b"`
}

type sample struct {
	ID     core.MitraID    `json:"id"`
	Name   string          `json:"name" min:"1" max:"3" doc:"a name"`
	Count  int             `json:"count" max:"9"`
	When   int64           `json:"when,omitzero"`
	Flag   *bool           `json:"flag"`
	Maybe  maybe           `json:"maybe"`
	Inner  inner           `json:"inner"`
	Other  *inner          `json:"other"`
	List   []inner         `json:"list"`
	Any    json.RawMessage `json:"any"`
	Hidden string
}

func schema(t *testing.T, s *openapi.Schema) string {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	return string(text)
}

func TestOf_Answer(t *testing.T) {
	t.Parallel()
	d := openapi.New(openapi.Info{})
	require.JSONEq(t, `{"$ref":"#/components/schemas/Sample"}`, schema(t, d.Of(reflect.TypeFor[sample](), openapi.Answer)))
	require.JSONEq(t, `{
		"type": "object", "additionalProperties": false,
		"required": ["any", "count", "flag", "id", "inner", "list", "maybe", "name", "other"],
		"properties": {
			"id": {"type": "string", "format": "uuid"},
			"name": {"type": "string", "minLength": 1, "maxLength": 3, "description": "a name"},
			"count": {"type": "integer", "maximum": 9},
			"when": {"type": "integer"},
			"flag": {"type": ["boolean", "null"]},
			"maybe": {"type": ["integer", "null"]},
			"inner": {"$ref": "#/components/schemas/Inner"},
			"other": {"oneOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "null"}]},
			"list": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}},
			"any": {}
		}}`, schema(t, d.Components.Schemas["Sample"]))
}

// In a request a pointer may be left out; null is only for what says so.
func TestOf_Request(t *testing.T) {
	t.Parallel()
	d := openapi.New(openapi.Info{})
	s := d.Of(reflect.TypeFor[sample](), openapi.Request)
	require.Equal(t, []string{"any", "count", "id", "inner", "list", "name"}, s.Required)
	require.JSONEq(t, `{"type":"boolean"}`, schema(t, s.Properties["flag"]))
	require.JSONEq(t, `{"type":["integer","null"]}`, schema(t, s.Properties["maybe"]))
	require.Empty(t, d.Components.Schemas, "requests are written out where they are used")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	d := openapi.New(openapi.Info{})
	d.Add("GET", "/things/{id}", &openapi.Operation{Responses: map[string]*openapi.Response{
		"200": {Content: openapi.JSON(d.Of(reflect.TypeFor[sample](), openapi.Answer))}, "204": {},
	}})
	d.Add("GET", "/things/first", &openapi.Operation{Responses: map[string]*openapi.Response{"204": {}}})
	const good = `{"id":"01980000-0000-7000-8000-000000000001","name":"Ayu","count":9,"flag":null,"maybe":null,"inner":{"word":"a"},
		"other":null,"list":[{"word":"b"}],"any":[1]}`
	require.NoError(t, d.Check("GET", "/things/7", 200, []byte(good)))
	require.NoError(t, d.Check("GET", "/things/7", 204, nil))
	require.Equal(t, "/things/first", d.Template("GET", "/things/first"))

	for what, c := range map[string]struct {
		path string
		code int
		body string
		want string
	}{
		"no such route":     {"/other", 200, good, "not described"},
		"no such status":    {"/things/7", 404, good, "status 404 is not described"},
		"a body too much":   {"/things/7", 204, good, "has a body"},
		"not JSON":          {"/things/7", 200, "x", "invalid character"},
		"a fixed segment":   {"/things/first", 200, good, "status 200 is not described"},
		"a list":            {"/things/7", 200, `[]`, "body is array, not object"},
		"missing":           {"/things/7", 200, `{}`, "is missing"},
		"not described":     {"/things/7", 200, with(good, "more", 1), "body.more is not described"},
		"wrong type":        {"/things/7", 200, with(good, "name", 1), "body.name is integer, not string"},
		"not null":          {"/things/7", 200, with(good, "count", nil), "body.count is null"},
		"no UUID":           {"/things/7", 200, with(good, "id", "7"), "body.id is not a UUID"},
		"too long":          {"/things/7", 200, with(good, "name", "Ayus"), "body.name has 4 characters"},
		"out of bounds":     {"/things/7", 200, with(good, "count", 10), "body.count is 10"},
		"a fraction":        {"/things/7", 200, with(good, "count", 1.5), "body.count is number"},
		"none of the words": {"/things/7", 200, with(good, "inner", map[string]any{"word": "c"}), "body.inner.word"},
		"in a list":         {"/things/7", 200, with(good, "list", []any{1}), "body.list[0]"},
		"in a choice":       {"/things/7", 200, with(good, "other", map[string]any{"word": "c"}), "body.other.word"},
	} {
		require.ErrorContains(t, d.Check("GET", c.path, c.code, []byte(c.body)), c.want, what)
	}
}

// with is an object with one field changed.
func with(object, field string, value any) string {
	var fields map[string]any
	if err := json.Unmarshal([]byte(object), &fields); err != nil {
		panic(err)
	}
	fields[field] = value
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestSeen_Missing(t *testing.T) {
	t.Parallel()
	d := openapi.New(openapi.Info{})
	failure := &openapi.Schema{Properties: map[string]*openapi.Schema{"error": {
		Properties: map[string]*openapi.Schema{"code": {Enum: []string{"NOT_FOUND", "GONE"}}},
	}}}
	d.Add("GET", "/things/{id}", &openapi.Operation{Responses: map[string]*openapi.Response{
		"200": {Content: openapi.JSON(d.Of(reflect.TypeFor[inner](), openapi.Answer))}, "404": {Content: openapi.JSON(failure)},
	}})
	d.Add("POST", "/things", &openapi.Operation{Responses: map[string]*openapi.Response{"204": {}}})
	var seen openapi.Seen
	require.Equal(t, []string{"GET /things/{id} 200", "GET /things/{id} GONE", "GET /things/{id} NOT_FOUND", "POST /things 204"}, seen.Missing(d))
	seen.Note(d, "GET", "/things/7", 200, []byte(`{"word":"a"}`))
	seen.Note(d, "GET", "/things/8", 404, []byte(`{"error":{"code":"GONE"}}`))
	seen.Note(d, "POST", "/things", 204, nil)
	require.Equal(t, []string{"GET /things/{id} NOT_FOUND"}, seen.Missing(d))
}

type (
	list[T any] struct {
		Items []T `json:"items"`
	}
	clash struct{}
)

func TestOf_Names(t *testing.T) {
	t.Parallel()
	d := openapi.New(openapi.Info{})
	require.Equal(t, "#/components/schemas/InnerList", d.Of(reflect.TypeFor[list[inner]](), openapi.Answer).Ref)
	d.Of(reflect.TypeFor[clash](), openapi.Answer)
	require.PanicsWithValue(t, "openapi: openapi_test.clash and openapi_test.clash would both be called Clash", func() {
		type clash struct{ A int }
		d.Of(reflect.TypeFor[clash](), openapi.Answer)
	})
	require.Panics(t, func() { d.Of(reflect.TypeFor[func()](), openapi.Answer) })
}
