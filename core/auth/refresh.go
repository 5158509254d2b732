package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// replayWindow is how long the direct parent of the newest refresh token still gets that one.
	replayWindow = 10 * time.Second
	// maxAncestors bounds the search for the generation of a stolen token: hourly refreshes make some 700 in a session's 30 days.
	maxAncestors = 8192
	// maxRotations is how often a refresh looks again after another one was faster. Losing once is a race, more is not one.
	maxRotations = 4

	saltBytes   = 16
	idLength    = 36
	secretChars = 43 // 32 bytes in unpadded base64url
)

// NewSession is an auth session that is about to be opened, at generation 0.
type NewSession struct {
	ID     core.AuthSessionID
	Salt   []byte
	Hash   string        // of the first refresh secret
	TTL    time.Duration // from now to its end
	Idle   time.Duration // from one refresh to the next
	Device Device
}

// Session is an auth session's row with the account that it belongs to.
type Session struct {
	ID            core.AuthSessionID
	Account       Account
	Generation    int64
	Salt          []byte
	Hash          string        // bcrypt of the newest refresh secret
	SinceRotation time.Duration // by the store's clock
	ExpiresAt     time.Time
	Over          bool // revoked, expired, or unused for too long, by the store's clock
}

// place is where a presented secret stands in its family.
type place int

const (
	stranger place = iota // never one of this family
	newest
	parent   // of the newest
	ancestor // older than that
)

// flight is a refresh under way. Whoever presents the same token meanwhile waits for it and gets what it gets.
type flight struct {
	done   chan struct{} // closed when tokens and err are set
	tokens Tokens
	err    error
}

// Refresh gives the successor of a customer's or mitra's refresh token and a new access token. UNAUTHENTICATED for what is no refresh
// token, SESSION_REVOKED when the auth session is over, also because this very call was taken for theft, ACCOUNT_INACTIVE, OVERLOADED,
// UNAVAILABLE.
func (s *Service) Refresh(ctx context.Context, token string, from Device) (Tokens, error) {
	return s.refreshFor(ctx, token, from, core.Customer, core.Mitra)
}

func (s *Service) refreshFor(ctx context.Context, token string, from Device, users ...core.UserType) (Tokens, error) {
	id, secret, ok := splitRefresh(token)
	if !ok {
		return Tokens{}, errNotARefreshToken()
	}
	mine, leads := s.board(token)
	if leads {
		defer s.land(token, mine)
		mine.err = errElsewhere() // what the others get should refresh panic
		// A client that has gone does not end it: others may wait, and it may come back for the successor.
		mine.tokens, mine.err = s.refresh(context.WithoutCancel(ctx), id, secret, from, users)
		return mine.tokens, mine.err
	}
	select {
	case <-mine.done:
		s.stats.replays.Add(1)
		return mine.tokens, mine.err
	case <-ctx.Done():
		return Tokens{}, core.Wrap(core.Unavailable, ctx.Err())
	}
}

func (s *Service) board(token string) (f *flight, leads bool) {
	key := tokenKey(token)
	s.flying.Lock()
	defer s.flying.Unlock()
	if f, underway := s.flights[key]; underway {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	s.flights[key] = f
	return f, true
}

func (s *Service) land(token string, f *flight) {
	key := tokenKey(token)
	s.flying.Lock()
	defer s.flying.Unlock()
	delete(s.flights, key)
	close(f.done)
}

// refresh judges a presented secret by its place in the family as the row tells it now.
func (s *Service) refresh(ctx context.Context, id core.AuthSessionID, secret string, from Device, users []core.UserType) (Tokens, error) {
	for range maxRotations {
		row, at, err := s.locate(ctx, id, secret)
		switch {
		case err != nil:
			return Tokens{}, err
		case !slices.Contains(users, row.Account.Type):
			return Tokens{}, errNotARefreshToken() // an operator's on the public port, or the other way round
		case row.Over:
			return Tokens{}, errSessionOver()
		case !row.Account.Active:
			return Tokens{}, core.Errorf(core.AccountInactive, "the account is deactivated")
		case at == parent && row.SinceRotation <= replayWindow:
			s.stats.replays.Add(1)
			return s.repeat(ctx, row)
		case at != newest:
			return Tokens{}, s.theft(ctx, row)
		}
		if tokens, won, err := s.rotate(ctx, row, from); won || err != nil {
			return tokens, err
		}
		// Another use of the same token was faster, or the session has just ended: look again.
	}
	return Tokens{}, errElsewhere()
}

// rotate makes the next generation the newest. It reports false when somebody else did so since row was read.
func (s *Service) rotate(ctx context.Context, row Session, from Device) (Tokens, bool, error) {
	next := secretOf(s.keys[0], row.ID, row.Generation+1, row.Salt)
	hash, err := s.hash(ctx, next)
	if err != nil {
		return Tokens{}, false, err
	}
	won, err := s.deps.Sessions.Rotate(ctx, row.ID, row.Generation, hash, from)
	if err != nil || !won {
		return Tokens{}, false, err
	}
	s.stats.refreshes.Add(1)
	tokens, err := s.pair(row.Account, row.ID, joinRefresh(row.ID, next), row.ExpiresAt)
	return tokens, true, err
}

// Logout ends the auth session of a principal: its sockets close, its tokens are refused. Once more changes nothing. UNAVAILABLE.
func (s *Service) Logout(ctx context.Context, who core.Principal) error {
	return s.revoke(ctx, who.Session, LoggedOut)
}

// LogoutByRefresh does the same for a client whose access token has ended, and also takes older refresh tokens of the family.
// UNAUTHENTICATED, OVERLOADED, UNAVAILABLE.
func (s *Service) LogoutByRefresh(ctx context.Context, token string) error {
	id, secret, ok := splitRefresh(token)
	if !ok {
		return errNotARefreshToken()
	}
	row, _, err := s.locate(ctx, id, secret)
	if err != nil {
		return err
	}
	return s.revoke(ctx, row.ID, LoggedOut)
}

// RevokeAll ends every auth session of a user: it is signed out everywhere, its sockets close. Use cases of the store that take an
// account's rights away do this in their own transaction. UNAVAILABLE.
func (s *Service) RevokeAll(ctx context.Context, user core.UserID, why RevokeReason) error {
	revoked, err := s.deps.Sessions.RevokeAll(ctx, user, core.AuthSessionID{}, why)
	if err != nil {
		return err
	}
	s.Deny(Revoked{Sessions: revoked})
	return nil
}

func (s *Service) revoke(ctx context.Context, id core.AuthSessionID, why RevokeReason) error {
	if err := s.deps.Sessions.Revoke(ctx, id, why); err != nil {
		return err
	}
	s.denied.add(id, s.deps.Clock())
	return nil
}

// theft ends a family of which an older token came back: either the thief or the owner is two steps behind, and nobody
// knows which.
func (s *Service) theft(ctx context.Context, row Session) error {
	s.stats.thefts.Add(1)
	s.deps.Log.WarnContext(ctx, "an older refresh token came back: the auth session is revoked",
		"auth_session", row.ID.String(), "user_type", string(row.Account.Type), "user", row.Account.ID.String())
	if err := s.revoke(ctx, row.ID, Theft); err != nil {
		return err
	}
	return errSessionOver()
}

// locate reads a family and finds a presented secret's place in it. UNAUTHENTICATED when it has none.
func (s *Service) locate(ctx context.Context, id core.AuthSessionID, secret string) (Session, place, error) {
	row, err := s.deps.Sessions.Session(ctx, id)
	if core.CodeOf(err) == core.NotFound {
		return Session{}, stranger, errNotARefreshToken()
	}
	if err != nil {
		return Session{}, stranger, err
	}
	switch {
	case s.isGeneration(row, row.Generation, secret):
		return row, newest, nil
	case s.isGeneration(row, row.Generation-1, secret):
		return row, parent, nil
	}
	// The hash also knows a newest secret whose key is gone, or not here yet.
	same, err := s.matches(ctx, row.Hash, secret)
	if err != nil {
		return Session{}, stranger, err
	}
	if same {
		return row, newest, nil
	}
	for g := row.Generation - 2; g >= 0 && g > row.Generation-maxAncestors; g-- {
		if s.isGeneration(row, g, secret) {
			return row, ancestor, nil
		}
	}
	return Session{}, stranger, errNotARefreshToken()
}

func (s *Service) isGeneration(row Session, generation int64, secret string) bool {
	if generation < 0 {
		return false
	}
	for _, k := range s.keys {
		if hmac.Equal([]byte(secretOf(k, row.ID, generation, row.Salt)), []byte(secret)) {
			return true
		}
	}
	return false
}

// repeat gives the newest refresh token of a family once more. UNAVAILABLE when this instance does not have the key that
// made it: while a rotation of the key rolls out, another one does.
func (s *Service) repeat(ctx context.Context, row Session) (Tokens, error) {
	secret, err := s.newestSecret(ctx, row)
	if err != nil {
		return Tokens{}, err
	}
	if secret == "" {
		return Tokens{}, errElsewhere()
	}
	return s.pair(row.Account, row.ID, joinRefresh(row.ID, secret), row.ExpiresAt)
}

// newestSecret computes the newest secret of a family again; "" when none of our keys made it.
func (s *Service) newestSecret(ctx context.Context, row Session) (string, error) {
	for _, k := range s.keys {
		secret := secretOf(k, row.ID, row.Generation, row.Salt)
		same, err := s.matches(ctx, row.Hash, secret)
		if err != nil {
			return "", err
		}
		if same {
			return secret, nil
		}
	}
	return "", nil
}

// newSession prepares an auth session and its first refresh token.
func (s *Service) newSession(ctx context.Context, user core.UserType, from Device) (NewSession, string, error) {
	life := s.lives[user]
	session := NewSession{
		ID: core.NewID[core.AuthSessionID](), Salt: make([]byte, saltBytes), TTL: life.total, Idle: life.idle, Device: from,
	}
	rand.Read(session.Salt) // never fails (crypto/rand)
	secret := secretOf(s.keys[0], session.ID, 0, session.Salt)
	var err error
	session.Hash, err = s.hash(ctx, secret)
	return session, joinRefresh(session.ID, secret), err
}

// secretOf derives the refresh secret of a generation.
func secretOf(k keys, id core.AuthSessionID, generation int64, salt []byte) string {
	mac := hmac.New(sha256.New, k.refresh)
	mac.Write(id[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(generation)))
	mac.Write(salt)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func joinRefresh(id core.AuthSessionID, secret string) string { return id.String() + "." + secret }

// splitRefresh checks the shape before anything is looked up.
func splitRefresh(token string) (id core.AuthSessionID, secret string, ok bool) {
	if len(token) != idLength+1+secretChars || token[idLength] != '.' {
		return id, "", false
	}
	id, err := core.ParseID[core.AuthSessionID](token[:idLength])
	secret = token[idLength+1:]
	if _, badSecret := base64.RawURLEncoding.Strict().DecodeString(secret); badSecret != nil {
		return id, "", false
	}
	return id, secret, err == nil
}

func errNotARefreshToken() error {
	return core.Errorf(core.Unauthenticated, "not a valid refresh token")
}

func errElsewhere() error {
	return core.Errorf(core.Unavailable, "this auth session is being refreshed elsewhere: try again")
}

func errSessionOver() error {
	return core.Errorf(core.SessionRevoked, "the auth session is over: sign in")
}
