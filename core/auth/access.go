package auth

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halobestie/bestie-gateway/core"
)

// maxAccessToken bounds what is looked at at all: ours have some 330 bytes.
const maxAccessToken = 4 << 10

// keys is one AUTH_JWT_SECRET and what is derived from it, so that no key serves two purposes.
type keys struct {
	id      string // the header kid of what it signs
	access  []byte
	refresh []byte
	code    []byte
	seal    []byte
}

func deriveKeys(secret []byte) (keys, error) {
	k := keys{access: secret}
	var kid []byte
	for _, derived := range []struct {
		to      *[]byte
		purpose string
		length  int
	}{
		{&kid, "bestie: kid", 4},
		{&k.refresh, "bestie: refresh secrets", sha256.Size},
		{&k.code, "bestie: phone codes", sha256.Size},
		{&k.seal, "bestie: sealed tokens", 32},
	} {
		key, err := hkdf.Key(sha256.New, secret, nil, derived.purpose, derived.length)
		if err != nil {
			return keys{}, fmt.Errorf("derive a key: %w", err)
		}
		*derived.to = key
	}
	k.id = hex.EncodeToString(kid)
	return k, nil
}

// claims is the payload of an access token.
type claims struct {
	UserType  core.UserType `json:"user_type"`
	Role      core.Role     `json:"role,omitempty"` // an operator's
	SessionID string        `json:"session_id"`
	jwt.RegisteredClaims
}

// signer makes access tokens and reads them back. It is fixed after construction and safe for concurrent use.
type signer struct {
	keys   []keys // the first signs, all verify
	issuer string
	ttl    time.Duration
	clock  core.Clock
	swift  []*swift // for each key
	parser *jwt.Parser
}

func newSigner(ring []keys, issuer string, ttl time.Duration, clock core.Clock) *signer {
	s := &signer{
		keys: ring, issuer: issuer, ttl: ttl, clock: clock,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithExpirationRequired(),
			jwt.WithIssuer(issuer),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(clock),
		),
	}
	for _, k := range ring {
		s.swift = append(s.swift, newSwift(k, issuer))
	}
	return s
}

// sign makes a token for who; it ends at who.ExpiresAt if that is before its normal life. It also gives its end.
func (s *signer) sign(who core.Principal) (string, time.Time, error) {
	now := s.clock().Truncate(time.Second)
	expires := now.Add(s.ttl)
	if !who.ExpiresAt.IsZero() && who.ExpiresAt.Before(expires) {
		expires = who.ExpiresAt.Truncate(time.Second)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		UserType:  who.Type,
		Role:      who.Role,
		SessionID: who.Session.String(),
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   who.ID.String(),
			Issuer:    s.issuer,
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
	})
	token.Header["kid"] = s.keys[0].id
	signed, err := token.SignedString(s.keys[0].access)
	if err != nil {
		return "", time.Time{}, core.Wrap(core.Internal, fmt.Errorf("sign an access token: %w", err))
	}
	return signed, expires, nil
}

// verify reads a token. TOKEN_EXPIRED for one of ours whose time is over, UNAUTHENTICATED for everything else.
func (s *signer) verify(token string) (core.Principal, error) {
	now := s.clock()
	for _, swift := range s.swift {
		if who, err, ok := swift.verify(token, now); ok {
			return who, err
		}
	}
	return s.parse(token)
}

// parse is verify by the library alone: whatever token it is, what it says is right.
func (s *signer) parse(token string) (core.Principal, error) {
	var read claims
	if _, err := s.parser.ParseWithClaims(token, &read, s.keyOf); err != nil {
		if onlyExpired(err) {
			return core.Principal{}, errExpired()
		}
		return core.Principal{}, errNotOurs()
	}
	user, userErr := core.ParseID[core.UserID](read.Subject)
	session, sessionErr := core.ParseID[core.AuthSessionID](read.SessionID)
	if userErr != nil || sessionErr != nil || !read.UserType.Valid() || user.IsZero() || session.IsZero() ||
		read.Role.Valid() != (read.UserType == core.Operator) {
		return core.Principal{}, errNotOurs()
	}
	return core.Principal{Type: read.UserType, ID: user, Role: read.Role, Session: session, ExpiresAt: read.ExpiresAt.Time}, nil
}

// keyOf picks the key that the token's kid names. WithValidMethods has refused every algorithm but HS256 by then.
func (s *signer) keyOf(token *jwt.Token) (any, error) {
	kid, _ := token.Header["kid"].(string)
	for _, k := range s.keys {
		if k.id == kid {
			return k.access, nil
		}
	}
	return nil, errors.New("unknown kid")
}

// onlyExpired tells an honest old token from one with another fault besides: only the former is worth a refresh.
func onlyExpired(err error) bool {
	return errors.Is(err, jwt.ErrTokenExpired) &&
		!errors.Is(err, jwt.ErrTokenInvalidIssuer) && !errors.Is(err, jwt.ErrTokenNotValidYet)
}

func errExpired() error { return core.Errorf(core.TokenExpired, "the access token has expired") }

func errNotOurs() error { return core.Errorf(core.Unauthenticated, "not a valid access token") }

// ways is how many places a token may stand at: enough that few of those who come back were pushed out by chance.
const ways = 4

// verified remembers tokens whose signature was checked, so that a storm of reconnecting sockets costs a hash each instead of
// a parse. It is one fixed block of memory: a set-associative table in which the token that ends first makes room.
// It knows nothing of revocation, which is asked on every use.
type verified struct {
	mask uint64 // number of sets - 1

	mu    sync.Mutex
	slots []slot // ways of them a set; guarded by mu
}

// slot is 64 bytes without a pointer. 128 bits of SHA-256 are enough of a key: a collision would have to be found with
// a token that we signed.
type slot struct {
	key     [16]byte
	user    core.UserID
	session core.AuthSessionID
	expires int64 // Unix seconds; 0: empty
	kind    byte  // index into kinds
}

// kinds of users, as slot.kind numbers them.
var kinds = [...]struct {
	user core.UserType
	role core.Role
}{{core.Customer, ""}, {core.Mitra, ""}, {core.Operator, core.Attendant}, {core.Operator, core.Admin}}

func kindOf(who core.Principal) byte {
	for i, kind := range kinds {
		if kind.user == who.Type && kind.role == who.Role {
			return byte(i)
		}
	}
	return 0 // verify lets no other pair through
}

// newVerified makes a table for at least the given number of tokens.
func newVerified(tokens int) *verified {
	sets := uint64(1)
	for sets*ways < uint64(tokens) {
		sets *= 2
	}
	return &verified{mask: sets - 1, slots: make([]slot, sets*ways)}
}

// tokenKey hashes a token. The usual length goes through an array of the stack, so that it costs no allocation.
func tokenKey(token string) (key [16]byte) {
	var short [512]byte
	var sum [sha256.Size]byte
	if len(token) <= len(short) {
		sum = sha256.Sum256(short[:copy(short[:], token)])
	} else {
		sum = sha256.Sum256([]byte(token))
	}
	copy(key[:], sum[:])
	return key
}

// get gives the principal of a token that was put and has not ended.
func (v *verified) get(key [16]byte, now time.Time) (core.Principal, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.set(key) {
		if s.key == key && s.expires > now.Unix() {
			kind := kinds[s.kind]
			return core.Principal{
				Type: kind.user, Role: kind.role, ID: s.user, Session: s.session, ExpiresAt: time.Unix(s.expires, 0),
			}, true
		}
	}
	return core.Principal{}, false
}

// put remembers a verified token in the place of the one of its set that ends first.
func (v *verified) put(key [16]byte, who core.Principal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	set := v.set(key)
	oldest := &set[0]
	for i := range set {
		if set[i].key == key {
			return
		}
		if set[i].expires < oldest.expires {
			oldest = &set[i]
		}
	}
	*oldest = slot{
		key: key, user: who.ID, session: who.Session, expires: who.ExpiresAt.Unix(), kind: kindOf(who),
	}
}

func (v *verified) set(key [16]byte) []slot {
	first := (binary.LittleEndian.Uint64(key[:]) & v.mask) * ways
	return v.slots[first : first+ways]
}
