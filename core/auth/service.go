package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	minSecret     = 32
	defaultIssuer = "bestie"
	defaultAccess = time.Hour
	defaultKnown  = 16 << 10

	defaultRefresh      = 30 * 24 * time.Hour
	defaultIdle         = 14 * 24 * time.Hour
	defaultOperator     = 12 * time.Hour
	defaultOperatorIdle = 2 * time.Hour
)

// Config is what the environment decides. Zero values are the defaults, but for Secret.
type Config struct {
	Secret         []byte        // AUTH_JWT_SECRET, at least 32 bytes
	PreviousSecret []byte        // AUTH_JWT_SECRET_PREVIOUS, while a rotation lasts
	AccessTTL      time.Duration // 1 h
	RefreshTTL     time.Duration // 30 days, absolute: from the sign-in
	IdleTTL        time.Duration // 14 days without a refresh end a sign-in before that
	OperatorTTL    time.Duration // 12 h, absolute, for operators: a working day
	OperatorIdle   time.Duration // 2 h without a refresh end an operator's sign-in; an access token more is enough of it
	Issuer         string        // "bestie"
	Hashers        int           // bcrypt at work at once; default: half of the cores
	PasswordCost   int           // of new passwords' bcrypt: 12. Less is for tests; the program never sets it
	KnownTokens    int           // verified access tokens to remember, 64 bytes each; 16384
}

// Deps is what the service stands on.
type Deps struct {
	Accounts    Accounts
	Sessions    Sessions
	Codes       Codes
	Operators   Operators
	Customers   Customers
	Tests       TestAccounts // nil: no test routes
	Sender      CodeSender
	Google      IDTokens // nil: nobody signs in with Google; the same for Apple
	Apple       IDTokens
	Grants      AppleGrants // nil: Apple's codes are left alone
	AppleTokens AppleTokens // with Grants
	Settings    func() core.Settings
	Clock       core.Clock
	Log         *slog.Logger
}

// lifespan bounds an auth session.
type lifespan struct{ total, idle time.Duration }

// Stats counts what is too frequent for the log.
type Stats struct {
	VerifiedKnown   uint64 // access tokens found in memory
	VerifiedNew     uint64 // access tokens whose signature was checked and good
	Refused         uint64 // access tokens that were not
	SignIns         uint64
	Refreshes       uint64
	RefreshReplays  uint64 // the direct parent within its 10 s
	Thefts          uint64
	LogIns          uint64 // of operators
	LogInsFailed    uint64
	LockedOut       uint64 // log-ins refused without a look at the password
	AppleFailed     uint64 // authorization codes that were refused or could not be exchanged
	CodesSent       uint64
	CodesFailed     uint64 // the provider refused or was out
	CodesRight      uint64
	CodesWrong      uint64
	DeniedSessions  uint64 // now
	DenyLoadsFailed uint64
}

// Service is the room's front. Its methods may be called concurrently; only Verify and Deny may be called in an event
// loop. Run must be running for mitra codes to leave and for the deny list to follow the store.
type Service struct {
	// Fixed after construction.
	keys         []keys
	signer       *signer
	lives        map[core.UserType]lifespan
	deps         Deps
	orphaned     chan struct{} // an account was deleted
	passwordCost int
	nobody       string // what is compared for an address that nobody has
	known        *verified
	denied       *denyList
	hashing      *hashing
	outgoing     chan delivery

	flying  sync.Mutex
	flights map[[16]byte]*flight // refreshes under way by the hash of their token; guarded by flying

	stats struct {
		verifiedKnown, verifiedNew, refused, signIns, refreshes, replays, thefts, logIns, logInsFailed, lockedOut, appleFailed,
		codesSent, codesFailed, codesRight, codesWrong, denyLoadsFailed atomic.Uint64
	}
}

// New checks the configuration. Its error never shows a secret.
func New(cfg Config, deps Deps) (*Service, error) {
	if len(cfg.Secret) < minSecret || (len(cfg.PreviousSecret) > 0 && len(cfg.PreviousSecret) < minSecret) {
		return nil, fmt.Errorf("AUTH_JWT_SECRET and AUTH_JWT_SECRET_PREVIOUS need at least %d bytes", minSecret)
	}
	if min(cfg.AccessTTL, cfg.RefreshTTL, cfg.IdleTTL, cfg.OperatorTTL, cfg.OperatorIdle) < 0 {
		return nil, errors.New("a token's life cannot be negative")
	}
	secrets := [][]byte{cfg.Secret}
	if len(cfg.PreviousSecret) > 0 {
		secrets = append(secrets, cfg.PreviousSecret)
	}
	var ring []keys
	for _, secret := range secrets {
		k, err := deriveKeys(secret)
		if err != nil {
			return nil, err
		}
		ring = append(ring, k)
	}
	nobody := nobodysHash
	if cfg.PasswordCost != 0 && cfg.PasswordCost != defaultPasswordCost {
		var err error
		if nobody, err = hashPassword(rand.Text(), cfg.PasswordCost); err != nil {
			return nil, err
		}
	}
	access := orDefault(cfg.AccessTTL, defaultAccess)
	app := lifespan{orDefault(cfg.RefreshTTL, defaultRefresh), orDefault(cfg.IdleTTL, defaultIdle)}
	return &Service{
		keys:   ring,
		signer: newSigner(ring, orDefault(cfg.Issuer, defaultIssuer), access, deps.Clock),
		lives: map[core.UserType]lifespan{
			core.Customer: app, core.Mitra: app,
			core.Operator: {orDefault(cfg.OperatorTTL, defaultOperator), orDefault(cfg.OperatorIdle, defaultOperatorIdle)},
		},
		deps:         deps,
		orphaned:     make(chan struct{}, 1),
		passwordCost: orDefault(cfg.PasswordCost, defaultPasswordCost),
		nobody:       nobody,
		known:        newVerified(orDefault(cfg.KnownTokens, defaultKnown)),
		denied:       newDenyList(access + denySlack),
		hashing:      newHashing(orDefault(cfg.Hashers, max(1, runtime.GOMAXPROCS(0)/2))),
		outgoing:     make(chan delivery, outgoingCodes),
		flights:      make(map[[16]byte]*flight),
	}, nil
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Run keeps the deny list and sends mitra codes until ctx ends; what is queued then is still sent, within 5 s. What the deny list has
// not heard of by an event, closes its sockets (nil: there are none) when it is read. It waits for its goroutines.
func (s *Service) Run(ctx context.Context, sockets Sockets) error {
	var workers sync.WaitGroup
	for range codeSenders {
		workers.Go(func() { s.deliver(ctx) })
	}
	workers.Go(func() { s.keepApple(ctx) })
	defer workers.Wait()

	tick := time.NewTicker(denyPoll)
	defer tick.Stop()
	for {
		news, err := s.loadDenied(ctx)
		for _, lost := range news {
			if sockets != nil {
				sockets.SignedOut(lost.User, Revoked{Sessions: []core.AuthSessionID{lost.Session}, Reason: lost.Reason})
			}
		}
		if err != nil && ctx.Err() == nil {
			s.stats.denyLoadsFailed.Add(1)
			s.deps.Log.WarnContext(ctx, "the deny list could not be read; the one in memory stays", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Verify says who holds an access token, without I/O and, for a token seen before, without an allocation. TOKEN_EXPIRED,
// SESSION_REVOKED, and UNAUTHENTICATED for whatever is not a token of ours. Nothing of the token is kept.
func (s *Service) Verify(token string) (core.Principal, error) {
	if token == "" || len(token) > maxAccessToken {
		s.stats.refused.Add(1)
		return core.Principal{}, errNotOurs()
	}
	key := tokenKey(token)
	who, known := s.known.get(key, s.deps.Clock())
	if !known {
		var err error
		if who, err = s.signer.verify(token); err != nil {
			s.stats.refused.Add(1)
			return core.Principal{}, err
		}
		s.known.put(key, who)
	}
	if s.denied.has(who.Session) {
		s.stats.refused.Add(1)
		return core.Principal{}, core.Errorf(core.SessionRevoked, "signed out")
	}
	if known {
		s.stats.verifiedKnown.Add(1)
	} else {
		s.stats.verifiedNew.Add(1)
	}
	return who, nil
}

// Stats reads the counters.
func (s *Service) Stats() Stats {
	return Stats{
		VerifiedKnown:   s.stats.verifiedKnown.Load(),
		VerifiedNew:     s.stats.verifiedNew.Load(),
		Refused:         s.stats.refused.Load(),
		SignIns:         s.stats.signIns.Load(),
		Refreshes:       s.stats.refreshes.Load(),
		RefreshReplays:  s.stats.replays.Load(),
		Thefts:          s.stats.thefts.Load(),
		LogIns:          s.stats.logIns.Load(),
		LogInsFailed:    s.stats.logInsFailed.Load(),
		LockedOut:       s.stats.lockedOut.Load(),
		AppleFailed:     s.stats.appleFailed.Load(),
		CodesSent:       s.stats.codesSent.Load(),
		CodesFailed:     s.stats.codesFailed.Load(),
		CodesRight:      s.stats.codesRight.Load(),
		CodesWrong:      s.stats.codesWrong.Load(),
		DeniedSessions:  uint64(s.denied.len()),
		DenyLoadsFailed: s.stats.denyLoadsFailed.Load(),
	}
}
