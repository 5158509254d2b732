package auth

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	passwordCost = 12 // a guess costs about a quarter of a second
	maxPassword  = 72 // bytes; bcrypt does not see more
)

// HashPassword checks an operator's new password and gives its bcrypt, made in one of the few places for it. BAD_MESSAGE about
// password when it has fewer than 8 characters, more than 72 bytes (what bcrypt sees), or lacks a digit, an upper or a lower
// case letter; OVERLOADED, UNAVAILABLE.
func (s *Service) HashPassword(ctx context.Context, password string) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	var hash []byte
	var failed error
	err := s.hashed(ctx, func() { hash, failed = bcrypt.GenerateFromPassword([]byte(password), passwordCost) })
	if err == nil && failed != nil {
		err = core.Wrap(core.Internal, fmt.Errorf("hash a password: %w", failed))
	}
	return string(hash), err
}

// CheckPassword holds a new password against the rules. BAD_MESSAGE about password.
func CheckPassword(password string) error {
	switch {
	case utf8.RuneCountInString(password) < 8:
		return core.FieldError("password", "must have at least 8 characters")
	case len(password) > maxPassword:
		return core.FieldError("password", "must have at most %d bytes", maxPassword)
	case !strings.ContainsAny(password, "0123456789"),
		!strings.ContainsAny(password, "abcdefghijklmnopqrstuvwxyz"),
		!strings.ContainsAny(password, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
		return core.FieldError("password", "must have a digit, an upper and a lower case letter")
	}
	return nil
}

// HashPassword is Service.HashPassword for a command that makes one operator and ends: nobody else's work is in its way.
func HashPassword(password string) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
	return string(hash), err
}
