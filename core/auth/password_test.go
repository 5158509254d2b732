package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func TestHashPassword(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{
		"ErrTooShort": "Abc4567", "ErrTooLong": "Ab1" + strings.Repeat("x", 70), "ErrNoDigit": "Abcdefgh",
		"ErrNoUpper": "abcdefg1", "ErrNoLower": "ABCDEFG1", "ErrEmojiOverTheBytes": "Ab1" + strings.Repeat("🐘", 18),
		"ErrEightEmoji": strings.Repeat("🐘", 8), "ErrEightBytesOfFewCharacters": "Ab1🐘🐘", "Err73Bytes": "Ab1" + strings.Repeat("x", 70),
		"ErrCommon": "P@ssw0rd2026!", "ErrCommonToo": "Halobestie1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.HashPassword(password)
			require.Equal(t, core.BadMessage, core.CodeOf(err))
			require.NotContains(t, err.Error(), password)
		})
	}
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, password := range []string{"Abcdefg1", "Ab1" + strings.Repeat("🐘", 5), "Ab1" + strings.Repeat("x", 69)} {
			hash, err := b.HashPassword(t.Context(), password)
			require.NoError(t, err)
			require.NoError(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)))
		}
	})
}
