package openapi

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

const componentsPath = "#/components/schemas/"

// Document is an OpenAPI 3.1 description. New makes it, Add fills it; then it is only read.
type Document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       Info                             `json:"info"`
	Paths      map[string]map[string]*Operation `json:"paths"` // by path, then by method in lower case
	Components Components                       `json:"components"`

	types map[string]reflect.Type // of the components, so that no two share a name
}

// Info says what is described.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

// Components are what operations refer to.
type Components struct {
	Schemas         map[string]*Schema         `json:"schemas"`
	SecuritySchemes map[string]*SecurityScheme `json:"securitySchemes"`
}

// SecurityScheme is a way to say who one is.
type SecurityScheme struct {
	Type         string `json:"type"`
	Scheme       string `json:"scheme"`
	BearerFormat string `json:"bearerFormat,omitempty"`
	Description  string `json:"description,omitempty"`
}

// Operation is what a method of a path does.
type Operation struct {
	ID         string                `json:"operationId"`
	Summary    string                `json:"summary"`
	Tags       []string              `json:"tags"`
	Security   []map[string][]string `json:"security,omitempty"`
	Parameters []Parameter           `json:"parameters,omitempty"`
	Body       *Body                 `json:"requestBody,omitempty"`
	Responses  map[string]*Response  `json:"responses"` // by status
}

// Parameter stands in the path or in the query.
type Parameter struct {
	Name     string  `json:"name"`
	In       string  `json:"in"`
	Required bool    `json:"required,omitempty"`
	Schema   *Schema `json:"schema"`
}

// Body is what a request carries.
type Body struct {
	Required bool             `json:"required,omitempty"`
	Content  map[string]Media `json:"content"`
}

// Response is an answer with one status.
type Response struct {
	Description string           `json:"description"`
	Content     map[string]Media `json:"content,omitempty"`
}

// Media is a body of one content type.
type Media struct {
	Schema *Schema `json:"schema"`
}

// JSON is a body of content type application/json.
func JSON(s *Schema) map[string]Media { return map[string]Media{"application/json": {Schema: s}} }

// New makes an empty description.
func New(info Info) *Document {
	return &Document{
		OpenAPI: "3.1.0", Info: info, Paths: map[string]map[string]*Operation{},
		Components: Components{Schemas: map[string]*Schema{}, SecuritySchemes: map[string]*SecurityScheme{}},
		types:      map[string]reflect.Type{},
	}
}

// Add describes one route; path has its parameters in braces.
func (d *Document) Add(method, path string, operation *Operation) {
	if d.Paths[path] == nil {
		d.Paths[path] = map[string]*Operation{}
	}
	d.Paths[path][strings.ToLower(method)] = operation
}

// Text is the document as it is served.
func (d *Document) Text() ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	return append(text, '\n'), err
}

// Template is the path, as it is described, that a request was for; "" for none. Fixed segments go before parameters.
func (d *Document) Template(method, path string) string {
	found := ""
	for template, operations := range d.Paths {
		if operations[strings.ToLower(method)] == nil || !fits(template, path) {
			continue
		}
		if !strings.Contains(template, "{") {
			return template
		}
		found = template
	}
	return found
}

func fits(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

func (d *Document) resolve(s *Schema) *Schema {
	if name, is := strings.CutPrefix(s.Ref, componentsPath); is {
		return d.Components.Schemas[name]
	}
	return s
}

// status is how a document names an HTTP status.
func status(code int) string { return strconv.Itoa(code) }
