package protocol_test

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/protocol"
)

// lenientVector is an entry of testdata/vectors/lenient.json: bytes that are not canonical and mean the same.
type lenientVector struct {
	Name      string `json:"name"`
	Hex       string `json:"hex"`
	Canonical string `json:"canonical"`
}

// lenientFile is that file.
type lenientFile struct {
	About   string          `json:"about"`
	Vectors []lenientVector `json:"vectors"`
}

func TestLenientVectors(t *testing.T) {
	t.Parallel()
	id, other := packageID.String(), pairs{"deep", pairs{"er", []any{1, -2, 2.5, nil, true, []byte{1}}}}
	accept := (&protocol.OfferAccept{OfferID: packageID}).Append(nil, 1)
	request := (&protocol.PairingRequest{RequestKey: "k", PackageID: packageID}).Append(nil, 1)
	file := lenientFile{About: "Other ways to write a message that an app may choose: each is read like its canonical form."}
	add := func(name string, raw, canonical []byte) {
		file.Vectors = append(file.Vectors, lenientVector{name, hex.EncodeToString(raw), hex.EncodeToString(canonical)})
	}
	heartbeat := []byte{0x92, 1, 0}
	add("kind and id as uint64", unhex("92cf0000000000000001cf0000000000000000"), heartbeat)
	add("kind and id as int8", unhex("92d001d000"), heartbeat)
	add("kind and id as int64", unhex("92d30000000000000001d30000000000000000"), heartbeat)
	add("the array as array16", unhex("dc00020100"), heartbeat)
	add("nil as body", unhex("930100c0"), heartbeat)
	add("an empty map as body", unhex("93010080"), heartbeat)
	add("a body of fields that nobody knows", foreign(t, protocol.KindHeartbeat, 0, pairs{"a", 1, "b", other}), heartbeat)
	add("an id in upper case", foreign(t, protocol.KindOfferAccept, 1, pairs{"offer_id", strings.ToUpper(id)}), accept)
	add("a field that nobody knows before", foreign(t, protocol.KindOfferAccept, 1, pairs{"new", other, "offer_id", id}), accept)
	add("a field that nobody knows behind", foreign(t, protocol.KindOfferAccept, 1, pairs{"offer_id", id, "new", other}), accept)
	add("fields in another order", foreign(t, protocol.KindPairingRequest, 1, pairs{"package_id", id, "request_key", "k"}), request)
	add("nil where something is optional", foreign(t, protocol.KindPairingRequest, 1, pairs{"request_key", "k", "package_id", id, "note", nil}), request)
	add("an empty optional text", foreign(t, protocol.KindPairingRequest, 1, pairs{"request_key", "k", "package_id", id, "note", ""}), request)
	add("a body as map32 with text as str32", unhex("930901df00000001db000000086f666665725f6964d924"+hex.EncodeToString([]byte(id))), accept)
	for _, v := range file.Vectors {
		require.Equal(t, v.Canonical, hex.EncodeToString(recode(t, unhex(v.Hex))), v.Name)
	}
	writeOrCompare(t, filepath.Join("testdata", "vectors", "lenient.json"), file)
}

func unhex(s string) []byte {
	raw, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return raw
}

// recode reads a message and writes it again.
func recode(t require.TestingT, raw []byte) []byte {
	frame, err := protocol.ParseFromServer(raw)
	require.NoError(t, err)
	spec, ok := protocol.Lookup(frame.Kind)
	require.True(t, ok)
	m := spec.New()
	require.NoError(t, m.Decode(frame.Body))
	return m.Append(nil, frame.ID)
}

// TestAnyOrderAnyForm has the independent codec write each vector's body in any order of the fields, with any form of the
// integers and with unknown fields between: it must be read as the same message.
func TestAnyOrderAnyForm(t *testing.T) {
	t.Parallel()
	var all []vector
	for _, family := range []string{"connection", "presence", "pairing", "session"} {
		all = append(all, families()[family]...)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(all).Draw(t, "vector")
		canonical := v.message.Append(nil, v.id)
		var values []any
		require.NoError(t, msgpack.Unmarshal(canonical, &values))
		var out strings.Builder
		encoder := msgpack.NewEncoder(&out)
		encoder.UseCompactInts(rapid.Bool().Draw(t, "compact"))
		shuffled := shuffle(t, values)
		require.NoError(t, encodeShuffled(encoder, shuffled))
		require.Equal(t, canonical, recode(t, []byte(out.String())), v.name)
	})
}

// shuffle turns maps into pairs in any order, with a field that nobody knows somewhere.
func shuffle(t *rapid.T, value any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = shuffle(t, element)
		}
		return list
	case map[string]any:
		keys := []string{"unknown"}
		for key := range value {
			keys = append(keys, key)
		}
		var body pairs
		for _, key := range rapid.Permutation(keys).Draw(t, "keys") {
			body = append(body, key, shuffle(t, value[key]))
		}
		return body
	default:
		return value
	}
}

func encodeShuffled(encoder *msgpack.Encoder, value any) error {
	var err error
	switch value := value.(type) {
	case pairs:
		err = encoder.EncodeMapLen(len(value) / 2)
		for _, part := range value {
			err = errors.Join(err, encodeShuffled(encoder, part))
		}
	case []any:
		err = encoder.EncodeArrayLen(len(value))
		for _, part := range value {
			err = errors.Join(err, encodeShuffled(encoder, part))
		}
	default:
		err = encoder.Encode(value)
	}
	return err
}

// TestServerFields holds the shapes of fields that only the gateway sends to the same rules.
func TestServerFields(t *testing.T) {
	t.Parallel()
	offer := pairs{"offer_id", offerID.String(), "session_id", sessionID.String(), "duration_minutes", 1, "customer_name", "x", "expires_at", 1, "server_time", 1}
	state := func(sessions ...any) pairs {
		return pairs{"state", pairs{"mode", "online", "capacity", 1, "max_capacity", 1, "offers", []any{offer}, "sessions", sessions}}
	}
	tests := []struct {
		name  string
		into  protocol.Message
		body  pairs
		field string
	}{
		{"a float", &protocol.Availability{}, pairs{"available", 1.0, "at", 1}, "available"},
		{"a negative integer", &protocol.Availability{}, pairs{"available", -1, "at", 1}, "available"},
		{"a negative int64", &protocol.Availability{}, pairs{"available", 1, "at", int64(-1 << 62)}, "at"},
		{"over 2^53", &protocol.Availability{}, pairs{"available", 1, "at", int64(1)<<53 + 1}, "at"},
		{"text for an integer", &protocol.Availability{}, pairs{"available", "1", "at", 1}, "available"},
		{"a required field that is absent", &protocol.Availability{}, pairs{"available", 1}, "at"},
		{"an integer for a bool", &protocol.SessionUpdate{}, pairs{"session", pairs{
			"session_id", sessionID.String(), "version", 1, "status", "active", "duration_minutes", 1, "server_time", 1, "ending_soon", 1,
		}}, "session.ending_soon"},
		{"no session", &protocol.SessionUpdate{}, pairs{}, "session"},
		{"text for a map", &protocol.SessionUpdate{}, pairs{"session", "x"}, "session"},
		{"a map inside", &protocol.Ack{}, pairs{"state", pairs{"session", pairs{"payment", 3}}}, "state.session.session_id"},
		{"an array for a state", &protocol.Ack{}, pairs{"state", []any{}}, "state"},
		{"an integer for a list", &protocol.Ack{}, pairs{"state", pairs{"mode", "online", "capacity", 1, "max_capacity", 1, "offers", 1}}, "state.offers"},
		{"text in a list", &protocol.Ack{}, state("x"), "state.sessions[0]"},
		{"a map in a list", &protocol.Ack{}, state(pairs{"session_id", "x"}), "state.sessions[0].session_id"},
		{"a long key that comes twice", &protocol.Ack{}, pairs{long('k', 100), 1, long('k', 100), 2}, "body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			frame, err := protocol.ParseFromServer(foreignBody(t, tt.into.Kind(), tt.body))
			require.NoError(t, err)
			var wrong *protocol.FieldError
			require.ErrorAs(t, tt.into.Decode(frame.Body), &wrong)
			require.Equal(t, tt.field, wrong.Field)
			require.NotEmpty(t, wrong.Reason)
			require.Contains(t, wrong.Error(), tt.field)
		})
	}
}

// foreignBody is a frame of any values, lists with pairs in them too.
func foreignBody(t *testing.T, kind protocol.Kind, body pairs) []byte {
	t.Helper()
	var out strings.Builder
	require.NoError(t, encodeShuffled(msgpack.NewEncoder(&out), []any{uint8(kind), uint8(0), body}))
	return []byte(out.String())
}
