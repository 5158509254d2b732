package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// property is a field's JSON schema.
type property struct {
	Ref         string     `json:"$ref,omitempty"`
	Type        string     `json:"type,omitempty"`
	Format      string     `json:"format,omitempty"`
	Description string     `json:"description,omitempty"`
	Enum        []string   `json:"enum,omitempty"`
	MinLength   int        `json:"minLength,omitempty"`
	MaxLength   int        `json:"maxLength,omitempty"`
	Minimum     *int       `json:"minimum,omitempty"`
	Maximum     int64      `json:"maximum,omitempty"`
	Items       *property  `json:"items,omitempty"`
	OneOf       []property `json:"oneOf,omitempty"`
}

// integer is the schema of a number or time.
func integer(description string) property {
	return property{Type: "integer", Description: description, Minimum: new(int), Maximum: maxInteger}
}

// reference points to the schema of a message or part.
func reference(part string) property { return property{Ref: "#/components/schemas/" + part} }

// schema is the JSON schema of a body or part. Fields that it does not name are allowed, and ignored.
type schema struct {
	Type       string              `json:"type"`
	Properties map[string]property `json:"properties,omitempty"`
	Required   []string            `json:"required,omitempty"`
}

// add adds the field that a walk came to.
func (s *schema) add(name string, need need, p property) {
	s.Properties[name] = p
	if need == required {
		s.Required = append(s.Required, name)
	}
}

// describe walks over the fields of a message or part.
func describe(part interface{ fields(*fields) }) *schema {
	s := &schema{Type: "object", Properties: map[string]property{}}
	part.fields(&fields{purpose: describing, schema: s})
	return s
}

// object is a JSON object; encoding/json sorts its keys, so the document is the same each time.
type object = map[string]any

// AsyncAPI is the AsyncAPI 3.0 description of the wire as JSON, made from the tables and from the messages themselves. protocol/asyncapi.json
// is its committed copy.
func AsyncAPI() []byte {
	channelMessages, messages, operations := object{}, object{}, object{}
	schemas := object{
		"session":        describe(new(Session)),
		"payment":        describe(new(Payment)),
		"mitra":          describe(new(MitraParty)),
		"customer":       describe(new(CustomerParty)),
		"mitra-state":    describe(new(MitraState)),
		"customer-state": describe(new(CustomerState)),
		"state":          property{OneOf: []property{reference("mitra-state"), reference("customer-state")}},
	}
	for _, spec := range Kinds() {
		body := describe(spec.New())
		schemas[spec.Name] = body
		channelMessages[spec.Name] = object{"$ref": "#/components/messages/" + spec.Name}
		messages[spec.Name] = describeMessage(spec, body)
		operations[spec.Name] = describeOperation(spec)
	}
	document := object{
		"asyncapi": "3.0.0",
		"info": object{
			"title":       "Halo Bestie gateway",
			"version":     Subprotocol,
			"description": describeFrame(),
		},
		"defaultContentType": "application/vnd.msgpack",
		"channels": object{"socket": object{
			"address":       "/ws",
			"description":   "One WebSocket, subprotocol " + Subprotocol + ", binary messages only.",
			"messages":      channelMessages,
			"bindings":      object{"ws": object{"method": "GET"}},
			"x-close-codes": describeCloses(),
			"x-error-codes": describeErrors(),
		}},
		"operations": operations,
		"components": object{"messages": messages, "schemas": schemas},
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		panic(fmt.Sprintf("protocol: the tables do not encode: %v", err)) // strings and numbers only
	}
	return out.Bytes()
}

func describeFrame() string {
	return fmt.Sprintf("Each message is one msgpack array [kind, id, body]. The body is left out when it has no fields. "+
		"An answer carries the id of its request; id 0 asks for none and marks events. At most %d levels and %d elements "+
		"from an app. Unknown fields are ignored.", MaxDepth, MaxElements)
}

func describeMessage(spec Spec, body *schema) object {
	fewest := 2
	if len(body.Required) > 0 {
		fewest = 3
	}
	return object{
		"name":    spec.Name,
		"summary": spec.Summary,
		"x-kind":  spec.Kind,
		"x-roles": roleNames(spec),
		"payload": object{
			"type":     "array",
			"minItems": fewest,
			"maxItems": 3,
			"items": []any{
				object{"description": "kind", "const": spec.Kind},
				object{"description": "id", "type": "integer", "minimum": 0, "maximum": math.MaxUint32},
				reference(spec.Name),
			},
		},
	}
}

// describeOperation tells who sends the message, as the gateway sees it.
func describeOperation(spec Spec) object {
	channel := object{"$ref": "#/channels/socket"}
	message := func(name string) object { return object{"$ref": "#/channels/socket/messages/" + name} }
	operation := object{"action": "send", "channel": channel, "messages": []any{message(spec.Name)}}
	if spec.Direction == ToServer {
		operation["action"] = "receive"
		operation["description"] = "From: " + strings.Join(roleNames(spec), ", ") + ". Answer: " + spec.Answer + "."
		if spec.Answer != noAnswer {
			operation["reply"] = object{"channel": channel, "messages": []any{message("ack"), message("error")}}
		}
	}
	return operation
}

func roleNames(spec Spec) []string {
	var names []string
	if spec.Customer {
		names = append(names, string(RoleCustomer))
	}
	if spec.Mitra {
		names = append(names, string(RoleMitra))
	}
	return names
}

func describeCloses() []object {
	var list []object
	for _, c := range CloseCodes {
		list = append(list, object{"code": c.Code, "name": c.Name, "meaning": c.Meaning, "action": c.Action})
	}
	return list
}

func describeErrors() []object {
	var list []object
	for _, e := range ErrorCodes {
		list = append(list, object{"code": e.Code, "meaning": e.Meaning})
	}
	return list
}
