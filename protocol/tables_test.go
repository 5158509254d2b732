package protocol_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/protocol"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	kinds := protocol.Kinds()
	require.Len(t, kinds, 15+11)
	names := map[string]bool{}
	for _, spec := range kinds {
		require.False(t, names[spec.Name], spec.Name)
		names[spec.Name] = true
		require.Equal(t, spec.Kind, spec.New().Kind(), spec.Name)
		require.Equal(t, spec.Name, spec.Kind.String())
		require.True(t, spec.Customer || spec.Mitra, spec.Name)
		require.NotEmpty(t, spec.Summary, spec.Name)
		require.Equal(t, spec.Direction == protocol.ToServer, spec.Answer != "", spec.Name)
		require.Equal(t, spec.Direction == protocol.ToServer, spec.Kind < 64, spec.Name)
	}
	require.Equal(t, "kind 63", protocol.Kind(63).String())
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, spec := range protocol.Kinds() {
		for role, may := range map[protocol.Role]bool{protocol.RoleCustomer: spec.Customer, protocol.RoleMitra: spec.Mitra, "cc_user": false} {
			var want protocol.ErrorCode
			switch {
			case spec.Direction == protocol.ToClient:
				want = protocol.CodeUnknownKind
			case !may:
				want = protocol.CodeForbidden
			}
			require.Equal(t, want, protocol.Check(spec.Kind, role), "%s from %s", spec.Name, role)
			require.Equal(t, want == "", spec.Kind.From(role))
		}
	}
	require.Equal(t, protocol.CodeUnknownKind, protocol.Check(1<<63, protocol.RoleMitra))
}

func TestCloseCodes(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for i, spec := range protocol.CloseCodes {
		require.False(t, names[spec.Name], spec.Name)
		names[spec.Name] = true
		require.True(t, i == 0 || spec.Code > protocol.CloseCodes[i-1].Code, "ascending and once each")
		require.Equal(t, spec.Action, spec.Code.Action())
	}
	require.Equal(t, protocol.ActionBackoff, protocol.CloseCode(1006).Action())
	_, ok := protocol.CloseCode(4999).Spec()
	require.False(t, ok)
}

func TestErrorCodesOnceEach(t *testing.T) {
	t.Parallel()
	seen := map[protocol.ErrorCode]bool{}
	for _, spec := range protocol.ErrorCodes {
		require.False(t, seen[spec.Code], spec.Code)
		require.NotEmpty(t, spec.Meaning)
		seen[spec.Code] = true
	}
}

func TestUUID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`).Draw(t, "text")
		id, err := protocol.ParseUUID(text)
		require.NoError(t, err)
		require.Equal(t, text, id.String())
		raw, err := json.Marshal(id)
		require.NoError(t, err)
		var back protocol.UUID
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, id, back)
	})
	for _, wrong := range []string{"", "0", "01900000000070008000000000000001", "01900000-0000-7000-8000-00000000000", "01900000-0000-7000-8000-00000000000x", "01900000_0000-7000-8000-000000000001"} {
		_, err := protocol.ParseUUID(wrong)
		require.Error(t, err, wrong)
	}
	require.True(t, protocol.UUID{}.IsZero())
}

// TestAsyncAPI keeps the committed description in step with the tables, and every reference in it pointing somewhere.
func TestAsyncAPI(t *testing.T) {
	t.Parallel()
	text := protocol.AsyncAPI()
	if *update {
		require.NoError(t, os.WriteFile("asyncapi.json", text, 0o644))
	}
	have, err := os.ReadFile("asyncapi.json")
	require.NoError(t, err)
	require.Equal(t, string(text), string(have), "asyncapi.json is out of date: go test ./protocol -update")

	var document map[string]any
	require.NoError(t, json.Unmarshal(text, &document))
	require.Len(t, document["components"].(map[string]any)["messages"], len(protocol.Kinds()))
	checkSchema(t, document, document)
}

// checkSchema follows every $ref, and holds bodies to the 15 fields whose head is one byte.
func checkSchema(t *testing.T, document map[string]any, node any) {
	t.Helper()
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			checkSchema(t, document, child)
		}
	case map[string]any:
		if ref, ok := node["$ref"].(string); ok {
			require.NotNil(t, resolve(document, ref), ref)
		}
		if properties, ok := node["properties"].(map[string]any); ok {
			require.LessOrEqual(t, len(properties), 15)
		}
		for _, child := range node {
			checkSchema(t, document, child)
		}
	}
}

// resolve follows a reference such as #/components/schemas/session.
func resolve(document map[string]any, ref string) any {
	var at any = document
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[step]
	}
	return at
}
