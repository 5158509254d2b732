package auth_test

import (
	"context"
	"sync"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func (m *memory) Rename(_ context.Context, customer core.CustomerID, name string) (auth.Account, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Account{}, err
	}
	defer unlock()
	account := m.accounts[core.UserID(customer)]
	account.DisplayName = name
	m.accounts[account.ID] = account
	return account, nil
}

func (m *memory) Delete(ctx context.Context, customer core.CustomerID) ([]core.AuthSessionID, error) {
	revoked, err := m.RevokeAll(ctx, core.UserID(customer), core.AuthSessionID{}, auth.Deleted)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	account := m.accounts[core.UserID(customer)]
	m.accounts[account.ID] = auth.Account{Type: account.Type, ID: account.ID}
	if token, kept := m.apple[customer]; kept {
		token.due = true
		m.apple[customer] = token
	}
	return revoked, nil
}

func (m *memory) Export(_ context.Context, customer core.CustomerID) (auth.Export, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Export{}, err
	}
	defer unlock()
	return auth.Export{At: m.clock.Now(), Account: m.accounts[core.UserID(customer)]}, nil
}

// kept is a token of Apple's in the store.
type kept struct {
	auth.SealedToken
	due bool
}

func (m *memory) keepApple(customer core.UserID, token *auth.SealedToken) {
	if token != nil {
		sealed := *token
		sealed.Customer = core.CustomerID(customer)
		m.apple[sealed.Customer] = kept{SealedToken: sealed}
	}
}

func (m *memory) Orphans(context.Context, int) (found []auth.SealedToken, err error) {
	unlock, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for id, token := range m.apple {
		if token.due {
			token.Tries++
			m.apple[id] = token
			found = append(found, token.SealedToken)
		}
	}
	return found, nil
}

func (m *memory) Forget(_ context.Context, customer core.CustomerID) error {
	unlock, err := m.lock()
	if err != nil {
		return err
	}
	defer unlock()
	delete(m.apple, customer)
	m.forgotten <- customer
	return nil
}

func (m *memory) SealedOtherwise(_ context.Context, keyID string, after core.CustomerID, _ int) (found []auth.SealedToken, err error) {
	unlock, err := m.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, token := range m.apple {
		if token.KeyID != keyID && after.IsZero() {
			found = append(found, token.SealedToken)
		}
	}
	return found, nil
}

func (m *memory) Reseal(_ context.Context, old, renewed auth.SealedToken) error {
	unlock, err := m.lock()
	if err != nil {
		return err
	}
	defer unlock()
	token := m.apple[old.Customer]
	token.KeyID, token.Sealed = renewed.KeyID, renewed.Sealed
	m.apple[old.Customer] = token
	m.resealed <- old.Customer
	return nil
}

// provider believes every ID token: the token is the subject, and its nonce is "nonce".
type provider struct {
	mu      sync.Mutex
	err     error // of everything
	revoked chan string
}

func (p *provider) failing() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *provider) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *provider) Verify(_ context.Context, idToken, nonce string) (auth.Claim, error) {
	if nonce != "nonce" {
		return auth.Claim{}, &core.Error{Code: core.Unauthenticated, Field: "nonce"}
	}
	return auth.Claim{Subject: idToken, Email: idToken + "@Example.com", Audience: "app"}, nil
}

func (p *provider) Exchange(_ context.Context, client, code, subject string) (string, error) {
	if err := p.failing(); err != nil {
		return "", err
	}
	return client + " " + code + " " + subject, nil
}

func (p *provider) Revoke(_ context.Context, client, token string) error {
	p.revoked <- client + ": " + token
	return p.failing()
}
