package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func TestNormalizePhone(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"081234567890", "81234567890", "6281234567890", "+6281234567890", "+62 812-3456-7890", "(0812) 3456.7890",
		"006281234567890", "62081234567890", "+62081234567890", "+62 (0) 812 3456 7890",
	} {
		got, err := auth.NormalizePhone(typed)
		require.NoError(t, err, typed)
		require.Equal(t, "+6281234567890", got, typed)
	}
	for typed, want := range map[string]string{
		"0811234567":     "+62811234567", // the shortest: 9 digits
		"08112345678901": "",             // 13 digits
		"0895123456789":  "+62895123456789",
		"0811 2345 6789": "+6281123456789",
	} {
		got, err := auth.NormalizePhone(typed)
		if want == "" {
			requireCode(t, core.BadMessage, err)
			continue
		}
		require.NoError(t, err, typed)
		require.Equal(t, want, got, typed)
	}
}

func TestNormalizePhone_ErrNotMobile(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"", "0", "+", "+62", "62", "8", "08", "0812", "021 5551234", "+62215551234", // too short, a landline
		"+6580123456", "+1 202 555 0123", "001 62 812345678", "+812345678901", // abroad
		"0804123456789", "0841234567890", "80123456789", // no mobile number begins so
		"08123456789012", "+628123456789012345", // too long
		"0812345678x", "0812+34567890", "++6281234567890", "٠٨١٢٣٤٥٦٧٨٩٠", "0812\x0034567890", "0812/3456/7890",
		"+0062812345678", "00081234567890", strings.Repeat("0", 33), strings.Repeat("(", 1000) + "081234567890",
	} {
		_, err := auth.NormalizePhone(typed)
		requireCode(t, core.BadMessage, err)
		var coded *core.Error
		require.ErrorAs(t, err, &coded)
		require.Equal(t, "phone", coded.Field)
	}
}

func TestNormalizePhone_IsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typed := rapid.OneOf(rapid.String(), rapid.StringMatching(`(\+62|62|0|0062)?8[0-9 .-]{5,16}`)).Draw(t, "typed")
		once, err := auth.NormalizePhone(typed)
		if err != nil {
			return
		}
		require.Regexp(t, `^\+628[1-35-9][0-9]{7,10}$`, once)
		twice, err := auth.NormalizePhone(once)
		require.NoError(t, err)
		require.Equal(t, once, twice)
	})
}
