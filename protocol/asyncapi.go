package protocol

// property is a field's JSON schema.
type property struct {
	Ref         string    `json:"$ref,omitempty"`
	Type        string    `json:"type,omitempty"`
	Format      string    `json:"format,omitempty"`
	Description string    `json:"description,omitempty"`
	Enum        []string  `json:"enum,omitempty"`
	MinLength   int       `json:"minLength,omitempty"`
	MaxLength   int       `json:"maxLength,omitempty"`
	Minimum     *int64    `json:"minimum,omitempty"`
	Maximum     int64     `json:"maximum,omitempty"`
	Items       *property `json:"items,omitempty"`
}

// schema is the JSON schema of a map.
type schema struct {
	Type       string              `json:"type"`
	Properties map[string]property `json:"properties,omitempty"`
	Required   []string            `json:"required,omitempty"`
}

func (s *schema) add(name string, need need, p property) {
	s.Properties[name] = p
	if need == required {
		s.Required = append(s.Required, name)
	}
}

func reference(part string) property { return property{Ref: "#/components/schemas/" + part} }
