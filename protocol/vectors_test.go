package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/halobestie/bestie-gateway/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenVector is an entry of testdata/vectors/<family>.json: a message and its exact bytes.
type goldenVector struct {
	Name      string         `json:"name"`
	Direction string         `json:"direction"` // to_server, to_client
	Kind      uint64         `json:"kind"`
	KindName  string         `json:"kind_name"`
	ID        uint32         `json:"id"`
	Body      map[string]any `json:"body,omitempty"` // absent: the frame has two elements
	Hex       string         `json:"hex"`
}

// goldenFile is one of those files.
type goldenFile struct {
	About   string         `json:"about"`
	Vectors []goldenVector `json:"vectors"`
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for family, vectors := range families() {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "vectors", family+".json")
			want := goldenFile{About: "A message and its exact bytes: encoding the body gives hex, decoding hex gives the body."}
			for _, v := range vectors {
				want.Vectors = append(want.Vectors, golden(t, v))
			}
			writeOrCompare(t, path, want)
		})
	}
}

// golden encodes a vector, has the independent codec read it, and checks that our own reading of it is the message again.
func golden(t *testing.T, v vector) goldenVector {
	t.Helper()
	spec, ok := protocol.Lookup(v.message.Kind())
	require.True(t, ok, v.name)
	raw := v.message.Append(nil, v.id)

	frame, err := protocol.ParseFromServer(raw)
	require.NoError(t, err, v.name)
	require.Equal(t, protocol.Frame{Kind: spec.Kind, ID: v.id, Body: frame.Body}, frame, v.name)
	decoded := spec.New()
	require.NoError(t, decoded.Decode(frame.Body), v.name)
	require.Equal(t, v.message, decoded, v.name)

	g := goldenVector{
		Name: v.name, Direction: "to_client", Kind: uint64(spec.Kind), KindName: spec.Name, ID: v.id,
		Hex: hex.EncodeToString(raw),
	}
	if spec.Direction == protocol.ToServer {
		g.Direction = "to_server"
		_, err := protocol.Parse(raw)
		require.NoError(t, err, "%s: what an app sends must pass the gateway's bounds", v.name)
	}
	var values []any
	require.NoError(t, msgpack.Unmarshal(raw, &values), v.name)
	if len(values) == 3 {
		g.Body = values[2].(map[string]any)
	}
	return g
}

// TestVectorsCoverEveryKind keeps a new kind from coming without its bytes.
func TestVectorsCoverEveryKind(t *testing.T) {
	t.Parallel()
	covered := map[protocol.Kind]bool{}
	for _, vectors := range families() {
		for _, v := range vectors {
			covered[v.message.Kind()] = true
		}
	}
	for _, spec := range protocol.Kinds() {
		require.True(t, covered[spec.Kind], "no vector of %s", spec.Name)
	}
}

// writeOrCompare holds a golden file to what it should say.
func writeOrCompare(t *testing.T, path string, want any) {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(want))
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text.Bytes(), 0o644))
	}
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text.String(), string(have), "%s is out of date: go test ./protocol -update", path)
}
