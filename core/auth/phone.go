package auth

import (
	"strings"

	"github.com/halobestie/bestie-gateway/core"
)

// The length of an Indonesian mobile number behind +62, and of what anybody may type for one.
const (
	minNational = 9
	maxNational = 12
	maxTyped    = 32
)

// NormalizePhone reads an Indonesian mobile number as people type it (0812…, 812…, 62812…, +62 812-…, 0062…, +62 0812…)
// and gives its one E.164 form. Anything else, landlines and foreign numbers included, is BAD_MESSAGE of the field
// phone: no code is ever paid for abroad.
func NormalizePhone(typed string) (string, error) {
	national, ok := nationalNumber(typed)
	if !ok || !isMobile(national) {
		return "", core.FieldError("phone", "not an Indonesian mobile number")
	}
	return "+62" + national, nil
}

// nationalNumber strips separators, the country code and the trunk zero.
func nationalNumber(typed string) (string, bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	digits := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '.', '(', ')':
			return -1
		}
		return r
	}, typed)

	international, plus := strings.CutPrefix(digits, "+")
	if !plus {
		international, plus = strings.CutPrefix(digits, "00")
	}
	national := international
	switch {
	case plus:
		rest, ours := strings.CutPrefix(international, "62")
		if !ours {
			return "", false
		}
		national = rest
	case strings.HasPrefix(international, "62"):
		national = international[2:] // no local number starts with 62 without its zero
	}
	return strings.TrimPrefix(national, "0"), true
}

// isMobile holds a national number against the plan of mobile numbers: 8, then neither 0 nor 4, 9 to 12 digits.
func isMobile(national string) bool {
	if len(national) < minNational || len(national) > maxNational || national[0] != '8' {
		return false
	}
	for _, digit := range []byte(national) {
		if digit < '0' || digit > '9' {
			return false
		}
	}
	return national[1] != '0' && national[1] != '4'
}
