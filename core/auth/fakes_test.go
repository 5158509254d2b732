package auth_test

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// memory is the store in memory, with the contracts of ports.go and no limits on codes.
type memory struct {
	clock *clock
	down  bool // every method answers UNAVAILABLE

	mu       sync.Mutex
	accounts map[core.UserID]auth.Account
	rows     map[core.AuthSessionID]*row
	codes    map[core.OTPRequestID]*code
	tries    map[string]int // by address
	hashes   map[string]string
	apple    map[core.CustomerID]kept

	forgotten, resealed chan core.CustomerID
	asked               []time.Duration // of RevokedWithin
	raced               func()          // called once before Rotate
}

type row struct {
	auth.Session
	rotatedAt time.Time
	usedAt    time.Time
	idle      time.Duration
	revokedAt time.Time
	why       auth.RevokeReason
}

type code struct {
	auth.NewCode
	attempts int
	used     bool
}

func newMemory(c *clock) *memory {
	return &memory{
		clock: c, accounts: map[core.UserID]auth.Account{}, rows: map[core.AuthSessionID]*row{}, codes: map[core.OTPRequestID]*code{},
		tries: map[string]int{}, hashes: map[string]string{}, apple: map[core.CustomerID]kept{},
		forgotten: make(chan core.CustomerID, 100), resealed: make(chan core.CustomerID, 100),
	}
}

func (m *memory) lock() (func(), error) {
	m.mu.Lock()
	if m.down {
		m.mu.Unlock()
		return nil, core.Errorf(core.Unavailable, "down")
	}
	return m.mu.Unlock, nil
}

func (m *memory) Account(_ context.Context, _ core.UserType, id core.UserID) (auth.Account, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Account{}, err
	}
	defer unlock()
	account, ok := m.accounts[id]
	if !ok {
		return account, core.Errorf(core.NotFound, "no account")
	}
	return account, nil
}

func (m *memory) SignUp(_ context.Context, session auth.NewSession) (auth.Account, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Account{}, err
	}
	defer unlock()
	account := auth.Account{Type: core.Customer, ID: core.NewID[core.UserID](), Anonymous: true, Active: true}
	m.open(account, session)
	return account, nil
}

func (m *memory) open(account auth.Account, session auth.NewSession) {
	m.accounts[account.ID] = account
	m.rows[session.ID] = &row{usedAt: m.clock.Now(), idle: session.Idle, Session: auth.Session{
		ID: session.ID, Account: account, Salt: session.Salt, Hash: session.Hash, ExpiresAt: m.clock.Now().Add(session.TTL),
	}}
}

func (m *memory) byPhone(user core.UserType, phone string) (auth.Account, bool) {
	return m.by(user, auth.Identity{Kind: auth.ByPhone, Value: phone})
}

// by finds who holds an identity; those of Google and Apple are told by their addresses here.
func (m *memory) by(user core.UserType, identity auth.Identity) (auth.Account, bool) {
	for _, account := range m.accounts {
		if account.Type == user && (identity.Kind == auth.ByPhone && account.Phone == identity.Value ||
			identity.Kind != auth.ByPhone && account.Email == identity.Email) {
			return account, true
		}
	}
	return auth.Account{}, false
}

func (m *memory) SignIn(_ context.Context, user core.UserType, identity auth.Identity, session auth.NewSession) (auth.Account, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Account{}, err
	}
	defer unlock()
	account, found := m.by(user, identity)
	switch {
	case user == core.Mitra && (!found || !account.Active):
		return account, core.Errorf(core.AccountInactive, "inactive")
	case !found:
		account = auth.Account{Type: user, ID: core.NewID[core.UserID](), Email: identity.Email, Active: true}
		if identity.Kind == auth.ByPhone {
			account.Phone = identity.Value
		}
	}
	m.open(account, session)
	m.keepApple(account.ID, identity.Apple)
	return account, nil
}

func (m *memory) Link(_ context.Context, customer core.CustomerID, identity auth.Identity) (auth.Account, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Account{}, err
	}
	defer unlock()
	if holder, found := m.by(core.Customer, identity); found && holder.ID != core.UserID(customer) {
		return auth.Account{}, core.Errorf(core.IdentityInUse, "in use")
	}
	account := m.accounts[core.UserID(customer)]
	account.Anonymous, account.Email = false, identity.Email
	if identity.Kind == auth.ByPhone {
		account.Phone = identity.Value
	}
	m.keepApple(account.ID, identity.Apple)
	m.accounts[account.ID] = account
	return account, nil
}

func (m *memory) Session(_ context.Context, id core.AuthSessionID) (auth.Session, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Session{}, err
	}
	defer unlock()
	found, ok := m.rows[id]
	if !ok {
		return auth.Session{}, core.Errorf(core.NotFound, "no session")
	}
	session := found.Session
	session.Account = m.accounts[session.Account.ID]
	session.SinceRotation = m.clock.Now().Sub(found.rotatedAt)
	session.Over = m.over(found)
	return session, nil
}

func (m *memory) over(r *row) bool {
	now := m.clock.Now()
	return !r.revokedAt.IsZero() || !now.Before(r.ExpiresAt) || now.Sub(r.usedAt) >= r.idle
}

func (m *memory) Rotate(_ context.Context, id core.AuthSessionID, from int64, hash string, _ auth.Device) (bool, error) {
	m.mu.Lock()
	race := m.raced
	m.raced = nil
	m.mu.Unlock()
	if race != nil {
		race()
	}
	unlock, err := m.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	found := m.rows[id]
	if found.Generation != from || m.over(found) {
		return false, nil
	}
	found.Generation++
	found.Hash, found.rotatedAt, found.usedAt = hash, m.clock.Now(), m.clock.Now()
	return true, nil
}

func (m *memory) Revoke(_ context.Context, id core.AuthSessionID, why auth.RevokeReason) error {
	unlock, err := m.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if found := m.rows[id]; found.revokedAt.IsZero() {
		found.revokedAt, found.why = m.clock.Now(), why
	}
	return nil
}

func (m *memory) RevokeAll(_ context.Context, user core.UserID, but core.AuthSessionID, why auth.RevokeReason) (revoked []core.AuthSessionID, err error) {
	unlock, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for id, r := range m.rows {
		if r.Account.ID == user && id != but && r.revokedAt.IsZero() {
			r.revokedAt, r.why = m.clock.Now(), why
			revoked = append(revoked, id)
		}
	}
	return revoked, nil
}

func (m *memory) RevokedWithin(_ context.Context, d time.Duration) (found []auth.Revocation, err error) {
	unlock, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	m.asked = append(m.asked, d)
	for id, r := range m.rows {
		if ago := m.clock.Now().Sub(r.revokedAt); !r.revokedAt.IsZero() && ago < d {
			found = append(found, auth.Revocation{Session: id, User: r.Account.ID, Reason: r.why, Ago: ago})
		}
	}
	return found, nil
}

func (m *memory) Issue(_ context.Context, c auth.NewCode) (bool, error) {
	unlock, err := m.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	_, known := m.byPhone(c.App, c.Phone)
	deliver := known || c.App == core.Customer
	if !deliver {
		c.MAC = c.Blind
	}
	m.codes[c.ID] = &code{NewCode: c}
	return deliver, nil
}

func (m *memory) Attempt(_ context.Context, a auth.Attempt) (string, error) {
	unlock, err := m.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	c, ok := m.codes[a.Request]
	switch {
	case !ok:
		return "", core.Errorf(core.OTPExpired, "no code")
	case c.used:
		return "", core.Errorf(core.OTPUsed, "used")
	case c.attempts >= a.MaxAttempts:
		return "", core.Errorf(core.AttemptsExceeded, "exceeded")
	}
	c.attempts++
	for _, mac := range a.MACs {
		if bytes.Equal(mac, c.MAC) {
			if a.App != c.App {
				return "", core.Errorf(core.WrongFlow, "other app")
			}
			c.used = true
			return c.Phone, nil
		}
	}
	return "", &core.Error{Code: core.CodeMismatch, AttemptsLeft: a.MaxAttempts - c.attempts}
}

func (m *memory) SeedMitra(_ context.Context, phone, name string, session auth.NewSession) (auth.Account, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Account{}, err
	}
	defer unlock()
	account, found := m.byPhone(core.Mitra, phone)
	if !found {
		account = auth.Account{Type: core.Mitra, ID: core.NewID[core.UserID](), Phone: phone, Active: true}
	}
	account.DisplayName = name
	m.open(account, session)
	return account, nil
}

// Fill leaves out every third, as if its phone were taken.
func (m *memory) Fill(_ context.Context, user core.UserType, sessions []auth.NewSession, _ []string) (made []auth.Session, err error) {
	unlock, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for i, session := range sessions {
		if i%3 == 2 {
			continue
		}
		account := auth.Account{Type: user, ID: core.NewID[core.UserID](), Active: true}
		m.open(account, session)
		made = append(made, auth.Session{ID: session.ID, Account: account})
	}
	return made, nil
}

// sent is a code that the fake provider was given.
type sent struct {
	app         core.UserType
	phone, code string
}

// phones is a provider that hands codes to the test.
type phones struct {
	codes chan sent
	err   error
}

func (p *phones) SendCode(_ context.Context, app core.UserType, phone, code string) error {
	if p.err != nil {
		return p.err
	}
	p.codes <- sent{app, phone, code}
	return nil
}
