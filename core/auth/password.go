package auth

import (
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
)

// passwordCost makes a guess cost about a quarter of a second. Hash in few places at once.
const passwordCost = 12

// HashPassword checks an operator's new password and gives its bcrypt. BAD_MESSAGE about password when it is not 8 to 72
// bytes (what bcrypt sees) with a digit, an upper and a lower case letter.
func HashPassword(password string) (string, error) {
	switch {
	case len(password) < 8 || len(password) > 72:
		return "", core.FieldError("password", "must be 8 to 72 bytes")
	case !strings.ContainsAny(password, "0123456789"),
		!strings.ContainsAny(password, "abcdefghijklmnopqrstuvwxyz"),
		!strings.ContainsAny(password, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
		return "", core.FieldError("password", "must have a digit, an upper and a lower case letter")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
	return string(hash), err
}
