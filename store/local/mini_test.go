package local

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"
)

func TestMiniLife(t *testing.T) {
	t.Parallel()
	s, err := startMini(Options{})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.True(t, s.Miniredis())

	option, err := valkey.ParseURL(s.URL())
	require.NoError(t, err)
	option.DisableCache, option.AlwaysRESP2, option.ForceSingleClient, option.DisableRetry = true, true, true, true
	client, err := valkey.NewClient(option)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	set := client.B().Set().Key("k").Value("v").PxMilliseconds(300).Build().Pin()
	exists := client.B().Exists().Key("k").Build().Pin()
	count := func() int64 { n, _ := client.Do(t.Context(), exists).AsInt64(); return n }

	require.NoError(t, client.Do(t.Context(), set).Error())
	require.EqualValues(t, 1, count())
	require.Eventually(t, func() bool { return count() == 0 }, 10*time.Second, 50*time.Millisecond, "its time passes")

	require.Error(t, s.Pause())
	require.NoError(t, client.Do(t.Context(), set).Error())
	require.NoError(t, s.Kill())
	require.Error(t, client.Do(t.Context(), exists).Error())
	require.NoError(t, s.Start(t.Context()))
	require.Eventually(t, func() bool {
		n, err := client.Do(t.Context(), exists).AsInt64()
		return err == nil && n == 0
	}, 10*time.Second, 50*time.Millisecond, "it comes back empty")
	s.Stop()
	s.Stop()
}
