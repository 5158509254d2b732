package auth_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

const password = "Korrekt-Pferd-7"

// operator makes one; its password is password.
func (m *memory) operator(t testing.TB, email string) core.OperatorID {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	account := auth.Account{Type: core.Operator, ID: core.NewID[core.UserID](), Role: core.Admin, Email: email, Active: true}
	m.accounts[account.ID] = account
	m.hashes[email] = string(hash)
	return core.OperatorID(account.ID)
}

func (m *memory) TryPassword(_ context.Context, email string, limits core.Settings) (try auth.PasswordTry, err error) {
	unlock, err := m.lock()
	if err != nil {
		return try, err
	}
	defer unlock()
	if m.tries[email] >= limits.CCMaxFailedLogins {
		return try, &core.Error{Code: core.RateLimited, RetryAfter: limits.CCLockout}
	}
	m.tries[email]++
	for _, account := range m.accounts {
		if account.Email == email && email != "" {
			try = auth.PasswordTry{Operator: core.OperatorID(account.ID), Hash: m.hashes[email]}
		}
	}
	return try, nil
}

func (m *memory) LogIn(_ context.Context, right auth.PasswordTry, session auth.NewSession) (auth.Account, error) {
	unlock, err := m.lock()
	if err != nil {
		return auth.Account{}, err
	}
	defer unlock()
	account := m.accounts[core.UserID(right.Operator)]
	m.tries[account.Email] = 0
	m.open(account, session)
	return account, nil
}

func (m *memory) ForgiveTries(_ context.Context, operator core.OperatorID) error {
	unlock, err := m.lock()
	if err != nil {
		return err
	}
	defer unlock()
	m.tries[m.accounts[core.UserID(operator)].Email] = 0
	return nil
}
