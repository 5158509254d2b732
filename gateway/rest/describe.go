package rest

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/rest/openapi"
)

const bearerScheme = "bearer"

// Describe is the OpenAPI document of the public and the internal routes, with those of further tables. It needs nothing that
// runs.
func Describe(version string, further ...Route) *openapi.Document {
	d := openapi.New(openapi.Info{
		Title: "Halo Bestie gateway", Version: version,
		Description: "What is not a socket. /api, /healthz and /readyz are on the public address; /internal is on the internal one alone. " +
			"Times are Unix milliseconds, money is rupiah, ids are UUIDs. Lists are pages: next_cursor is the cursor of the next one.",
	})
	d.Components.SecuritySchemes[bearerScheme] = &openapi.SecurityScheme{
		Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "an access token",
	}
	s := &server{}
	for _, r := range slices.Concat(s.publicRoutes(), s.internalRoutes(), s.testRoutes(), further) {
		d.Add(r.Method, inBraces(r.Path), r.describe(d))
	}
	return d
}

var wildcard = regexp.MustCompile(`:([a-z_]+)`)

func inBraces(path string) string { return wildcard.ReplaceAllString(path, "{$1}") }

func (r Route) describe(d *openapi.Document) *openapi.Operation {
	o := &openapi.Operation{
		ID: r.operationID(), Summary: r.Summary, Tags: []string{r.tag()}, Responses: map[string]*openapi.Response{},
	}
	if r.Access != Anybody {
		o.Security = []map[string][]string{{bearerScheme: {}}}
	}
	for _, field := range reflect.VisibleFields(r.in) {
		for _, in := range []string{"path", "query"} {
			if name, is := field.Tag.Lookup(in); is {
				o.Parameters = append(o.Parameters, openapi.Parameter{
					Name: name, In: in, Required: in == "path", Schema: d.Field(field, openapi.Request),
				})
			}
		}
	}
	if body := d.Of(r.in, openapi.Request); len(body.Properties) > 0 {
		o.Body = &openapi.Body{Required: len(body.Required) > 0, Content: openapi.JSON(body)}
	}
	for _, status := range append(r.Or, r.Status) {
		answer := &openapi.Response{Description: http.StatusText(status)}
		if status != http.StatusNoContent {
			answer.Content = openapi.JSON(d.Of(r.out, openapi.Answer))
		}
		o.Responses[strconv.Itoa(status)] = answer
	}
	for status, codes := range r.failures() {
		if described := o.Responses[strconv.Itoa(status)]; described == nil {
			o.Responses[strconv.Itoa(status)] = failureOf(d, codes)
		}
	}
	return o
}

// failures are the codes that a route may answer, by status: its own, and those that follow from what it is.
func (r Route) failures() map[int][]core.Code {
	codes := append([]core.Code{core.Internal, core.Unavailable}, r.Errors...)
	if r.Access != Anybody {
		codes = append(codes, core.Unauthenticated, core.TokenExpired, core.SessionRevoked, core.Forbidden)
	}
	for _, field := range reflect.VisibleFields(r.in) {
		if _, path := field.Tag.Lookup("path"); path {
			codes = append(codes, core.BadMessage)
		} else {
			codes = append(codes, core.BadMessage, core.UnknownField)
		}
	}
	switch {
	case r.raw:
		codes = append(codes, core.TooLarge)
	case r.Method != http.MethodGet:
		codes = append(codes, core.BadMessage, core.UnknownField, core.TooLarge, core.UnsupportedMedia)
	}
	if !strings.HasPrefix(r.Path, "/internal/") {
		codes = append(codes, core.RateLimited)
	}
	slices.Sort(codes)
	byStatus := map[int][]core.Code{}
	for _, code := range slices.Compact(codes) {
		byStatus[statusOf(code)] = append(byStatus[statusOf(code)], code)
	}
	return byStatus
}

// failureOf is the one form of failures, with the codes that come with a status.
func failureOf(d *openapi.Document, codes []core.Code) *openapi.Response {
	var names []string
	for _, code := range codes {
		names = append(names, string(code))
	}
	d.Of(reflect.TypeFor[failure](), openapi.Answer) // the component
	closed := false
	body := *d.Components.Schemas["FailureBody"]
	body.Properties = maps.Clone(body.Properties)
	body.Properties["code"] = &openapi.Schema{Type: openapi.Types{"string"}, Enum: names}
	return &openapi.Response{Description: strings.Join(names, ", "), Content: openapi.JSON(&openapi.Schema{
		Type: openapi.Types{"object"}, Properties: map[string]*openapi.Schema{"error": &body}, Required: []string{"error"}, Additional: &closed,
	})}
}

// tag groups routes: /internal/mitras/… are mitras, /api/client/auth/… are client auth.
func (r Route) tag() string {
	parts := strings.Split(strings.Trim(r.Path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 3:
		return parts[1] + " " + parts[2]
	case parts[0] == "api":
		return parts[1]
	case len(parts) > 1:
		return parts[1]
	}
	return "operations"
}

// operationID is the method with the words of the path, which is unique because the route is.
func (r Route) operationID() string {
	words := regexp.MustCompile(`[^a-zA-Z0-9]+`).Split(r.Path, -1)
	return fmt.Sprintf("%s%s", strings.ToLower(r.Method), strings.Join(words, "_"))
}
