package openapi

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// Seen is which of the answers that a document announces were given, so that tests can name those that never were. The zero
// value has seen none. It may be used concurrently.
type Seen struct {
	answers sync.Map // by route and status, or route and code
}

// Note remembers an answer. An error counts by its code.
func (s *Seen) Note(d *Document, method, path string, code int, body []byte) {
	what := status(code)
	var failure struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if code >= 400 && json.Unmarshal(body, &failure) == nil && failure.Error.Code != "" {
		what = failure.Error.Code
	}
	s.answers.Store(method+" "+d.Template(method, path)+" "+what, true)
}

// Missing lists the announced answers that were never given, as "GET /path 200" and "GET /path NOT_FOUND".
func (s *Seen) Missing(d *Document) (missing []string) {
	for path, operations := range d.Paths {
		for method, operation := range operations {
			for code, response := range operation.Responses {
				for _, what := range d.announced(code, response) {
					answer := strings.ToUpper(method) + " " + path + " " + what
					if _, given := s.answers.Load(answer); !given {
						missing = append(missing, answer)
					}
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// announced are the codes that a response may have; a response that is no error has its status alone.
func (d *Document) announced(code string, response *Response) []string {
	schema := response.Content["application/json"].Schema
	if schema != nil {
		if failure := d.resolve(schema).Properties["error"]; failure != nil && failure.Properties["code"] != nil {
			return failure.Properties["code"].Enum
		}
	}
	return []string{code}
}
