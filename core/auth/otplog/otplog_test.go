package otplog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth/otplog"
)

func TestSendCode_OneLineWithPhoneAndCode(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	sender := otplog.New(slog.New(slog.NewTextHandler(&out, nil)))
	require.NoError(t, sender.SendCode(t.Context(), core.Mitra, "+6281234567890", "123456"))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "phone=+6281234567890 code=123456")
}
