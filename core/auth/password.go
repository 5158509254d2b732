package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	defaultPasswordCost = 12 // a guess costs about a quarter of a second
	minPassword         = 8  // characters
	maxPassword         = 72 // bytes; bcrypt does not see more
)

// nobodysHash is the bcrypt of a password that was forgotten at once, at defaultPasswordCost. Who names an address that no operator has
// waits as long as for one that somebody has.
const nobodysHash = "$2a$12$58qhVvdPtVlSM.0mSyOfd.99EQ0qYqAq/KV.fBiLDjFDmmCjNY5Wy"

// HashPassword checks an operator's new password and gives its bcrypt, made in one of the few places for it. BAD_MESSAGE about
// password as CheckPassword says, OVERLOADED, UNAVAILABLE.
func (s *Service) HashPassword(ctx context.Context, password string) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	var hash string
	var failed error
	err := s.hashing.slow(ctx, func() { hash, failed = hashPassword(password, s.passwordCost) })
	if err == nil {
		err = failed
	}
	return hash, err
}

// HashPassword is Service.HashPassword for a command that makes one operator and ends: nobody else's work is in its way.
func HashPassword(password string) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	return hashPassword(password, defaultPasswordCost)
}

func hashPassword(password string, cost int) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", core.Wrap(core.Internal, fmt.Errorf("hash a password: %w", err))
	}
	return string(hash), nil
}

// CheckPassword holds a new password against the rules. BAD_MESSAGE about password when it has fewer than 8 characters, more than 72
// bytes, lacks a digit, an upper or a lower case letter, or is one that everybody tries first.
func CheckPassword(password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return core.FieldError("password", "must have at least %d characters", minPassword)
	case len(password) > maxPassword:
		return core.FieldError("password", "must have at most %d bytes", maxPassword)
	case !strings.ContainsAny(password, "0123456789"),
		!strings.ContainsAny(password, "abcdefghijklmnopqrstuvwxyz"),
		!strings.ContainsAny(password, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
		return core.FieldError("password", "must have a digit, an upper and a lower case letter")
	case isCommon(password):
		return core.FieldError("password", "is among those that are tried first")
	}
	return nil
}

// commonStems are what passwords that satisfy the rules and protect nothing are made of: such a word, with digits and signs behind it.
var commonStems = []string{
	"password", "passw0rd", "p@ssw0rd", "p@ssword", "admin", "administrator", "operator", "welcome", "qwerty", "qwertyuiop", "letmein",
	"abc", "abcd", "abcdef", "iloveyou", "monkey", "dragon", "master", "login", "test", "changeme", "secret", "default", "temp", "guest",
	"indonesia", "jakarta", "bestie", "halobestie", "sayang", "rahasia", "bismillah", "katasandi", "asd", "asdfgh", "zaq", "qaz", "aa", "a",
}

// isCommon tells whether a password is a common word in any case with no more than a few digits and signs around it.
func isCommon(password string) bool {
	const around, few = "0123456789!@#$%^&*()_-+=.,?~ ", 8
	bare := strings.ToLower(strings.Trim(password, around))
	return len(password)-len(bare) <= few && slices.Contains(commonStems, bare)
}

// isPassword compares a password with a bcrypt hash in a place for slow work. An empty hash is nobody's: it takes as long, and
// is never right. bcrypt looks at 72 bytes only, so a longer password is none of ours.
func (s *Service) isPassword(ctx context.Context, hash, password string) (right bool, err error) {
	compared := hash
	if hash == "" {
		compared = s.nobody
	}
	given := password[:min(len(password), maxPassword)]
	err = s.hashing.slow(ctx, func() { right = bcrypt.CompareHashAndPassword([]byte(compared), []byte(given)) == nil })
	return right && hash != "" && len(password) <= maxPassword, err
}
