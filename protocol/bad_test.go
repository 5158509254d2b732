package protocol_test

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/halobestie/bestie-gateway/protocol"
)

// badVector is an entry of testdata/vectors/bad.json: bytes that an app may send, and what it gets for them.
type badVector struct {
	Name  string             `json:"name"`
	Role  protocol.Role      `json:"role"`
	Hex   string             `json:"hex"`
	Close protocol.CloseCode `json:"close,omitempty"` // the socket is closed with it, or
	Error protocol.ErrorCode `json:"error,omitempty"` // it stays open and this is answered
	Field string             `json:"field,omitempty"` // naming this field
	ID    uint32             `json:"id,omitempty"`    // to the request with this id
}

// badFile is that file.
type badFile struct {
	About   string      `json:"about"`
	Vectors []badVector `json:"vectors"`
}

func TestBadVectors(t *testing.T) {
	t.Parallel()
	file := badFile{About: "What an app must not send, and what it gets: a close code, or an error while the socket stays open."}
	for _, v := range badVectors(t) {
		raw, err := hex.DecodeString(v.Hex)
		require.NoError(t, err, v.Name)
		got := outcome(raw, v.Role)
		got.Name, got.Role, got.Hex = v.Name, v.Role, v.Hex
		require.Equal(t, v, got)
		file.Vectors = append(file.Vectors, v)
	}
	writeOrCompare(t, filepath.Join("testdata", "vectors", "bad.json"), file)
}

// outcome is what a gateway does with a message, as far as this package decides it.
func outcome(raw []byte, role protocol.Role) badVector {
	frame, err := protocol.Parse(raw)
	if err != nil {
		return badVector{Close: protocol.CloseNotMsgpack}
	}
	if code := protocol.Check(frame.Kind, role); code != "" {
		return badVector{Error: code, ID: frame.ID}
	}
	spec, _ := protocol.Lookup(frame.Kind)
	var wrong *protocol.FieldError
	if errors.As(spec.New().Decode(frame.Body), &wrong) {
		return badVector{Error: protocol.CodeBadMessage, Field: wrong.Field, ID: frame.ID}
	}
	return badVector{}
}

func badVectors(t *testing.T) []badVector {
	t.Helper()
	list := append(notFrames(), wrongKinds()...)
	return append(list, wrongBodies(t)...)
}

// notFrames fail the scan, or are no [kind, id(, body)]: 1007.
func notFrames() []badVector {
	var list []badVector
	add := func(name, hex string) {
		list = append(list, badVector{Name: name, Role: protocol.RoleMitra, Hex: hex, Close: protocol.CloseNotMsgpack})
	}
	add("nothing", "")
	add("the byte that means nothing", "c1")
	add("an integer", "01")
	add("a map", "820100")
	add("an empty array", "90")
	add("an array of one", "9101")
	add("an array of four", "94010080c0")
	add("cut short in the array", "9201")
	add("cut short in an integer", "92cd01")
	add("bytes behind the message", "92010000")
	add("kind is text", "92a13100")
	add("kind is negative", "92ff00")
	add("kind is nil", "92c000")
	add("kind is a float", "92ca3f80000000")
	add("kind is an array", "929000")
	add("id is text", "9201a130")
	add("id is negative", "9201d0ff")
	add("id is over 32 bits", "9201cf0000000100000000")
	add("id is nil", "9201c0")
	add("array32 of 4,294,967,295", "ddffffffff")
	add("map32 of 4,294,967,295 as body", "930100dfffffffff")
	add("array32 of 4,294,967,295 as a field's value", "93010081a178ddffffffff")
	add("text of 4 GiB", "93010081a178dbffffffff")
	add("binary of 4 GiB", "93010081a178c6ffffffff")
	add("map16 of 32,768", "930100de8000")
	add("an ext type", "93010081a178d40100")
	add("a timestamp", "93010081a178d6ff00000000")
	add("an ext8 type", "93010081a178c70101ff")
	add("nested nine deep", "930100"+strings.Repeat("81a178", 6)+"9190")
	add("nested a thousand deep", "930100"+strings.Repeat("91", 1000)+"c0")
	add("257 elements", "930100dc00fe"+strings.Repeat("c0", 254))
	return list
}

// wrongKinds are frames that this role does not send.
func wrongKinds() []badVector {
	return []badVector{
		{Name: "unknown kind 0", Role: protocol.RoleMitra, Hex: "920000", Error: protocol.CodeUnknownKind},
		{Name: "unknown kind 16", Role: protocol.RoleCustomer, Hex: "921003", Error: protocol.CodeUnknownKind, ID: 3},
		{Name: "unknown kind 2^64-1", Role: protocol.RoleMitra, Hex: "92cfffffffffffffffff05", Error: protocol.CodeUnknownKind, ID: 5},
		{Name: "an event of the server", Role: protocol.RoleCustomer, Hex: "924004", Error: protocol.CodeUnknownKind, ID: 4},
		{Name: "offer.accept from a customer", Role: protocol.RoleCustomer, Hex: "930906c0", Error: protocol.CodeForbidden, ID: 6},
		{Name: "pairing.request from a mitra", Role: protocol.RoleMitra, Hex: "920607", Error: protocol.CodeForbidden, ID: 7},
		{Name: "presence.set from a customer", Role: protocol.RoleCustomer, Hex: "920308", Error: protocol.CodeForbidden, ID: 8},
	}
}

// pairs is a body in the order given, keys and values by turns.
type pairs []any

// wrongBodies are frames whose body has the wrong shape: BAD_MESSAGE naming the field, the socket stays.
func wrongBodies(t *testing.T) []badVector {
	var list []badVector
	add := func(name string, role protocol.Role, kind protocol.Kind, field string, body any) {
		id := uint32(len(list) + 1)
		list = append(list, badVector{
			Name: name, Role: role, Hex: hex.EncodeToString(foreign(t, kind, id, body)),
			Error: protocol.CodeBadMessage, Field: field, ID: id,
		})
	}
	const (
		mitra    = protocol.RoleMitra
		customer = protocol.RoleCustomer
		key      = "request_key"
		pack     = "package_id"
	)
	id := packageID.String()
	add("heartbeat with an integer as body", mitra, protocol.KindHeartbeat, "body", 5)
	add("heartbeat with an array as body", mitra, protocol.KindHeartbeat, "body", []int{1})
	add("heartbeat with a key that is no text", mitra, protocol.KindHeartbeat, "body", pairs{1, 2})
	add("heartbeat with a key that comes twice", mitra, protocol.KindHeartbeat, "x", pairs{"x", 1, "x", 2})
	add("no body", mitra, protocol.KindOfferAccept, "offer_id", nil)
	add("empty body", mitra, protocol.KindOfferAccept, "offer_id", pairs{})
	add("nil where something is required", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", nil})
	add("an integer as id", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", 7})
	add("binary as id", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", []byte(id)})
	add("a map as id", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", pairs{}})
	add("an id without dashes", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", strings.ReplaceAll(id, "-", "")})
	add("an id in braces", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", "{" + id + "}"})
	add("an id with a digit that is none", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", "g" + id[1:]})
	add("an id with NUL", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", "\x00" + id[1:]})
	add("an id with SQL", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", "'; DROP TABLE mitras; --"})
	add("an id that comes twice", mitra, protocol.KindOfferAccept, "offer_id", pairs{"offer_id", id, "offer_id", id})
	add("an unknown mode", mitra, protocol.KindPresenceSet, "mode", pairs{"mode", "busy"})
	add("an empty mode", mitra, protocol.KindPresenceSet, "mode", pairs{"mode", ""})
	add("a bool as mode", mitra, protocol.KindPresenceSet, "mode", pairs{"mode", true})
	add("an unknown platform", customer, protocol.KindDeviceRegister, "platform", pairs{"push_token", "t", "platform", "symbian"})
	add("a push token over 4,096 characters", customer, protocol.KindDeviceRegister, "push_token", pairs{"push_token", long('t', 4097), "platform", "ios"})
	add("an empty token", customer, protocol.KindAuthRefresh, "token", pairs{"token", ""})
	add("a float as token", customer, protocol.KindAuthRefresh, "token", pairs{"token", 1.5})
	add("no request_key", customer, protocol.KindPairingRequest, key, pairs{pack, id})
	add("an empty request_key", customer, protocol.KindPairingRequest, key, pairs{key, "", pack, id})
	add("a request_key of 65 characters", customer, protocol.KindPairingRequest, key, pairs{key, long('k', 65), pack, id})
	add("a request_key that is no UTF-8", customer, protocol.KindPairingRequest, key, pairs{key, "\xff\xfe", pack, id})
	add("no package_id", customer, protocol.KindPairingRequest, pack, pairs{key, "k"})
	add("a note of 501 characters", customer, protocol.KindPairingRequest, "note", pairs{key, "k", pack, id, "note", strings.Repeat("é", 501)})
	add("an array as note", customer, protocol.KindPairingRequest, "note", pairs{key, "k", pack, id, "note", []string{"x"}})
	add("a key that is no UTF-8", customer, protocol.KindPairingRequest, "body", pairs{"\xff", 1})
	add("an integer as reason", mitra, protocol.KindOfferDecline, "reason", pairs{"offer_id", id, "reason", 1})
	return list
}

// foreign encodes a frame with the independent codec, which lets every nonsense through.
func foreign(t *testing.T, kind protocol.Kind, id uint32, body any) []byte {
	t.Helper()
	var out strings.Builder
	encoder := msgpack.NewEncoder(&out)
	encoder.UseCompactInts(true)
	require.NoError(t, encoder.EncodeArrayLen(3))
	require.NoError(t, encoder.EncodeUint(uint64(kind)))
	require.NoError(t, encoder.EncodeUint(uint64(id)))
	encodeForeign(t, encoder, body)
	return []byte(out.String())
}

func encodeForeign(t *testing.T, encoder *msgpack.Encoder, value any) {
	t.Helper()
	body, ok := value.(pairs)
	if !ok {
		require.NoError(t, encoder.Encode(value))
		return
	}
	require.NoError(t, encoder.EncodeMapLen(len(body)/2))
	for _, part := range body {
		encodeForeign(t, encoder, part)
	}
}
