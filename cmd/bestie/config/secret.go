package config

import "fmt"

// Secret is a setting that is never printed: every way of formatting it says whether it is set, and no more. Convert it to
// a string where it is used.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return "[not set]"
	}
	return "[set]"
}

// Format hides the secret from every verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides the secret from JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
