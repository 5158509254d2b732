package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// swift verifies access tokens that are written exactly as sign writes them, with one key, and leaves every other token to the
// library. A storm of sockets with new tokens made the library a seventh of a handshake's processor time: 8 µs and 58
// allocations a token, nearly all of it encoding/json; this takes 1 µs and none. FuzzVerify holds the two
// against each other.
type swift struct {
	header string             // as it begins a token, with its dot
	heads  [len(kinds)]string // of the payload, up to the auth session's id, by kind of user
	middle string             // between the two ids
	work   sync.Pool          // of *workbench
}

// workbench is what one verification needs. It is pooled, since what a hash.Hash is given escapes to the heap.
type workbench struct {
	mac  hash.Hash // its state after the key is kept, so that a token costs its own bytes only
	text [swiftMax]byte
	out  [swiftMax]byte
}

// swiftMax bounds the tokens that are looked at here: ours have 330 bytes, longer issuers leave them to the library.
const swiftMax = 512

// strict is what the library decodes with.
var strict = base64.RawURLEncoding.Strict()

// signatureLength is that of an HS256 in base64.
var signatureLength = strict.EncodedLen(sha256.Size)

func newSwift(k keys, issuer string) *swift {
	quoted, err := json.Marshal(issuer)
	if err != nil {
		panic(err) // a string
	}
	s := &swift{
		header: strict.EncodeToString([]byte(`{"alg":"HS256","kid":"`+k.id+`","typ":"JWT"}`)) + ".",
		middle: `","iss":` + string(quoted) + `,"sub":"`,
	}
	for i, kind := range kinds {
		s.heads[i] = `{"user_type":"` + string(kind.user)
		if kind.role != "" {
			s.heads[i] += `","role":"` + string(kind.role)
		}
		s.heads[i] += `","session_id":"`
	}
	s.work.New = func() any { return &workbench{mac: hmac.New(sha256.New, k.access)} }
	return s
}

// verify reads a token; !ok: it is not for swift to say.
func (s *swift) verify(token string, now time.Time) (who core.Principal, err error, ok bool) {
	signed := len(token) - signatureLength - 1 // header and payload
	if len(token) > swiftMax || signed < len(s.header) || token[signed] != '.' || !strings.HasPrefix(token, s.header) {
		return who, nil, false
	}
	w := s.work.Get().(*workbench)
	defer s.work.Put(w)
	text := w.text[:copy(w.text[:], token)]
	w.mac.Reset()
	w.mac.Write(text[:signed])
	sum := w.mac.Sum(w.out[:0])
	signature := w.out[len(sum):]
	if n, err := strict.Decode(signature, text[signed+1:]); err != nil || !hmac.Equal(sum, signature[:n]) {
		return who, errNotOurs(), true
	}
	n, err := strict.Decode(w.out[:], text[len(s.header):signed])
	if err != nil {
		return who, nil, false
	}
	who, ok = s.read(w.out[:n])
	switch {
	case !ok:
		return core.Principal{}, nil, false
	case !now.Before(who.ExpiresAt):
		return core.Principal{}, errExpired(), true
	}
	return who, nil, true
}

// read takes a payload apart that is exactly as sign writes it.
func (s *swift) read(payload []byte) (who core.Principal, ok bool) {
	for i, head := range s.heads {
		rest, is := bytes.CutPrefix(payload, []byte(head))
		if !is {
			continue
		}
		who.Type, who.Role = kinds[i].user, kinds[i].role
		if who.Session, rest, ok = cutID[core.AuthSessionID](rest, s.middle); !ok {
			return who, false
		}
		if who.ID, rest, ok = cutID[core.UserID](rest, `","exp":`); !ok {
			return who, false
		}
		expires, rest, ok := cutSeconds(rest, `,"iat":`)
		if !ok {
			return who, false
		}
		_, rest, ok = cutSeconds(rest, `}`)
		who.ExpiresAt = time.Unix(expires, 0)
		return who, ok && len(rest) == 0
	}
	return who, false
}

// cutID takes an id that is not the zero one, and what must come behind it, from the front.
func cutID[T ~[16]byte](b []byte, behind string) (id T, rest []byte, ok bool) {
	const length = 36
	if len(b) < length || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return id, nil, false
	}
	out := 0
	for _, part := range [...]struct{ from, to int }{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, length}} {
		n, err := hex.Decode(id[out:], b[part.from:part.to])
		if err != nil {
			return id, nil, false
		}
		out += n
	}
	rest, ok = bytes.CutPrefix(b[length:], []byte(behind))
	return id, rest, ok && id != T{}
}

// cutSeconds takes a Unix time of ten digits, 2001 to 2286, and what must come behind it, from the front.
func cutSeconds(b []byte, behind string) (seconds int64, rest []byte, ok bool) {
	const digits = 10
	i := 0
	for ; i < len(b) && i < digits && '0' <= b[i] && b[i] <= '9'; i++ {
		seconds = seconds*10 + int64(b[i]-'0')
	}
	if i < digits || b[0] == '0' {
		return 0, nil, false
	}
	rest, ok = bytes.CutPrefix(b[i:], []byte(behind))
	return seconds, rest, ok
}
