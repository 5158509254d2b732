package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	codeDigits    = 6
	outgoingCodes = 256 // mitra codes that wait to be sent
	codeSenders   = 4   // how many are being sent at once
	sendTimeout   = 15 * time.Second
	lastSends     = 5 * time.Second // for what is queued when the service stops
)

// NewCode is a phone code that is about to be written.
type NewCode struct {
	ID       core.OTPRequestID
	App      core.UserType // customer or mitra: the code is of no use in the other app
	Phone    string        // E.164
	Origin   netip.Addr    // what the limit by address counts
	MAC      []byte        // HMAC of id and code
	Blind    []byte        // random bytes to store in its place when nobody is to be sent the code
	Settings core.Settings // whose limits hold
}

// Attempt is one guess.
type Attempt struct {
	Request     core.OTPRequestID
	App         core.UserType
	MACs        [][]byte // of the guess, one a key
	MaxAttempts int
}

// CodeTicket answers a request for a code, alike for known and unknown phones.
type CodeTicket struct {
	ID          core.OTPRequestID
	ResendAfter time.Duration
	ExpiresIn   time.Duration
}

// CodeProof is what an app sends back.
type CodeProof struct {
	App     core.UserType
	Request core.OTPRequestID
	Code    string
	Device  Device
	// Link is the customer whose account the phone is to be added to; nil signs in.
	Link *core.Principal
}

// delivery is a code on its way to a mitra; deliver is false for a phone that is nobody's, which takes the same way.
type delivery struct {
	phone, code string
	deliver     bool
}

// RequestCode sends a six-digit code to a phone of an app, customer or mitra. BAD_MESSAGE of phone, RESEND_COOLDOWN and RATE_LIMITED with
// RetryAfter, ATTEMPTS_EXCEEDED when the provider blocks the phone, OVERLOADED, UNAVAILABLE (for customers also when the provider is
// out). A mitra's code leaves after the answer.
func (s *Service) RequestCode(ctx context.Context, app core.UserType, phone string, from Device) (CodeTicket, error) {
	number, err := NormalizePhone(phone)
	if err != nil {
		return CodeTicket{}, err
	}
	code, err := newCode()
	if err != nil {
		return CodeTicket{}, err
	}
	settings := s.deps.Settings()
	id := core.NewID[core.OTPRequestID]()
	blind := make([]byte, sha256.Size)
	rand.Read(blind) // never fails (crypto/rand)
	deliver, err := s.deps.Codes.Issue(ctx, NewCode{
		ID: id, App: app, Phone: number, Origin: from.origin(),
		MAC: codeMAC(s.keys[0], id, code), Blind: blind, Settings: settings,
	})
	if err != nil {
		return CodeTicket{}, err
	}
	ticket := CodeTicket{ID: id, ResendAfter: settings.OTPResend, ExpiresIn: settings.OTPTTL}
	if app != core.Customer {
		return ticket, s.enqueue(delivery{phone: number, code: code, deliver: deliver})
	}
	switch err := s.send(ctx, app, number, code); core.CodeOf(err) {
	case "":
		return ticket, nil
	case core.RateLimited, core.AttemptsExceeded, core.BadMessage: // the provider's own limits
		return CodeTicket{}, err
	default:
		return CodeTicket{}, &core.Error{
			Code: core.Unavailable, Message: "the code could not be sent", RetryAfter: settings.OTPResend, Err: err,
		}
	}
}

// VerifyCode signs in with a code, or links its phone to the customer who asks and keeps that auth session. The codes of
// Codes.Attempt; BAD_MESSAGE of code; ACCOUNT_INACTIVE; when linking IDENTITY_IN_USE, CONFLICT, FORBIDDEN for a principal that is
// no customer; OVERLOADED, UNAVAILABLE. A right code is used up, whatever comes after it.
func (s *Service) VerifyCode(ctx context.Context, proof CodeProof) (Tokens, error) {
	if !isCode(proof.Code) {
		return Tokens{}, core.FieldError("code", "must be %d digits", codeDigits)
	}
	if proof.Link != nil && (proof.Link.Type != core.Customer || proof.App != core.Customer) {
		return Tokens{}, core.Errorf(core.Forbidden, "only a customer's account takes a phone")
	}
	attempt := Attempt{Request: proof.Request, App: proof.App, MaxAttempts: s.deps.Settings().OTPMaxAttempts}
	for _, k := range s.keys {
		attempt.MACs = append(attempt.MACs, codeMAC(k, proof.Request, proof.Code))
	}
	phone, err := s.deps.Codes.Attempt(ctx, attempt)
	if err != nil {
		if core.CodeOf(err) == core.CodeMismatch {
			s.stats.codesWrong.Add(1)
		}
		return Tokens{}, err
	}
	s.stats.codesRight.Add(1)
	identity := Identity{Kind: ByPhone, Value: phone}
	if proof.Link != nil {
		return s.link(ctx, *proof.Link, identity, proof.Device)
	}
	return s.signIn(ctx, proof.App, identity, proof.Device)
}

// signIn opens an auth session for whoever holds a proved identity.
func (s *Service) signIn(ctx context.Context, app core.UserType, identity Identity, from Device) (Tokens, error) {
	session, refresh, err := s.newSession(ctx, app, from)
	if err != nil {
		return Tokens{}, err
	}
	account, err := s.deps.Accounts.SignIn(ctx, app, identity, session)
	if err != nil {
		return Tokens{}, err
	}
	s.stats.signIns.Add(1)
	return s.pair(account, session.ID, refresh, s.deps.Clock().Add(session.TTL))
}

// link adds a proved identity to a customer's account. The answer repeats the newest refresh token of its auth session, so that
// a lost answer costs nothing; only when its key is gone a new generation is made.
func (s *Service) link(ctx context.Context, who core.Principal, identity Identity, from Device) (Tokens, error) {
	if _, err := s.deps.Accounts.Link(ctx, who.Customer(), identity); err != nil {
		return Tokens{}, err
	}
	row, err := s.deps.Sessions.Session(ctx, who.Session)
	if core.CodeOf(err) == core.NotFound || (err == nil && row.Over) {
		return Tokens{}, errSessionOver()
	}
	if err != nil {
		return Tokens{}, err
	}
	secret, err := s.newestSecret(ctx, row)
	if err != nil {
		return Tokens{}, err
	}
	if secret != "" {
		return s.pair(row.Account, row.ID, joinRefresh(row.ID, secret), row.ExpiresAt)
	}
	tokens, won, err := s.rotate(ctx, row, from)
	if err == nil && !won {
		err = errElsewhere()
	}
	return tokens, err
}

// enqueue gives a mitra's code to the senders. A full queue is told alike to known and unknown phones.
func (s *Service) enqueue(d delivery) error {
	select {
	case s.outgoing <- d:
		return nil
	default:
		return core.Errorf(core.Overloaded, "too many codes are being sent")
	}
}

// deliver sends queued codes until ctx ends, then what is left, briefly.
func (s *Service) deliver(ctx context.Context) {
	for {
		select {
		case d := <-s.outgoing:
			s.deliverOne(ctx, d)
		case <-ctx.Done():
			s.deliverRest(ctx)
			return
		}
	}
}

func (s *Service) deliverRest(ctx context.Context) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSends)
	defer cancel()
	for {
		select {
		case d := <-s.outgoing:
			s.deliverOne(last, d)
		default:
			return
		}
	}
}

func (s *Service) deliverOne(ctx context.Context, d delivery) {
	if !d.deliver {
		return
	}
	_ = s.send(ctx, core.Mitra, d.phone, d.code) // logged; nobody is left to be told
}

// send hands a code to the provider. Its failure is logged here: it needs a human, while the app is only told to come back.
func (s *Service) send(ctx context.Context, app core.UserType, phone, code string) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := s.deps.Sender.SendCode(ctx, app, phone, code); err != nil {
		s.stats.codesFailed.Add(1)
		level := slog.LevelError // somebody has to look after the provider
		switch core.CodeOf(err) {
		case core.RateLimited, core.AttemptsExceeded, core.BadMessage:
			level = slog.LevelWarn // the phone is to blame
		}
		s.deps.Log.Log(ctx, level, "a phone code could not be sent", "app", string(app), "error", err)
		return fmt.Errorf("send a phone code: %w", err)
	}
	s.stats.codesSent.Add(1)
	return nil
}

// newCode draws six digits, each code as likely as any other.
func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", core.Wrap(core.Internal, fmt.Errorf("draw a phone code: %w", err))
	}
	return fmt.Sprintf("%0*d", codeDigits, n), nil
}

func isCode(code string) bool {
	if len(code) != codeDigits {
		return false
	}
	for _, digit := range []byte(code) {
		if digit < '0' || digit > '9' {
			return false
		}
	}
	return true
}

// codeMAC binds a code to its request, so that a stolen table tells nothing without the key.
func codeMAC(k keys, id core.OTPRequestID, code string) []byte {
	mac := hmac.New(sha256.New, k.code)
	mac.Write(id[:])
	mac.Write([]byte(code))
	return mac.Sum(nil)
}
