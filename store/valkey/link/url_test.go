package link

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()

	t.Run("OneServer", func(t *testing.T) {
		t.Parallel()
		for _, url := range []string{"redis://u:hunter2@host:7000/3", "valkey://u:hunter2@host:7000?db=3"} {
			option, err := parse(url)
			require.NoError(t, err)
			require.Equal(t, []string{"host:7000"}, option.InitAddress)
			require.Equal(t, "u", option.Username)
			require.Equal(t, "hunter2", option.Password)
			require.Equal(t, 3, option.SelectDB)
			require.Nil(t, option.TLSConfig)
			require.Equal(t, connTimeout, option.ConnWriteTimeout)
		}
	})

	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		option, err := parse("redis://a?addr=b:7001&addr=c")
		require.NoError(t, err)
		require.Equal(t, []string{"a:6379", "b:7001", "c:6379"}, option.InitAddress)
	})

	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()
		option, err := parse("rediss://u:p@s1:26379?addr=s2:26379&master_set=bestie&sentinel_username=su&sentinel_password=sp")
		require.NoError(t, err)
		require.Equal(t, "bestie", option.Sentinel.MasterSet)
		require.Equal(t, "su", option.Sentinel.Username)
		require.Equal(t, "sp", option.Sentinel.Password)
		require.Same(t, option.TLSConfig, option.Sentinel.TLSConfig)
		require.Equal(t, connTimeout, option.Sentinel.Dialer.Timeout)
		require.Positive(t, option.Sentinel.TopologyRefreshInterval)
	})

	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		for _, url := range []string{"rediss://:p@host", "valkeys://:p@host"} {
			option, err := parse(url)
			require.NoError(t, err)
			require.Equal(t, "host", option.TLSConfig.ServerName)
			require.EqualValues(t, tls.VersionTLS12, option.TLSConfig.MinVersion)
			require.False(t, option.TLSConfig.InsecureSkipVerify)
		}
	})

	t.Run("Socket", func(t *testing.T) {
		t.Parallel()
		option, err := parse("unix:///run/valkey.sock?db=1")
		require.NoError(t, err)
		require.Equal(t, []string{"/run/valkey.sock"}, option.InitAddress)
	})

	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for url, want := range map[string]string{
		"http://u:hunter2@host":                "cannot be read",
		"redis://u:hun%ter2@host":              "cannot be read",
		"redis://:hunter2@host/x":              "cannot be read",
		"redis://:hun?ter2=1@host":             "cannot be read",
		"redis://host?max_retries=0":           "not known",
		"redis://host?ca_file=/x":              "rediss:// only",
		"rediss://host?ca_file=/nowhere.pem":   "no such file",
		"rediss://:hunter2@h?ca_file=" + empty: "no certificate",
	} {
		t.Run("Err", func(t *testing.T) {
			t.Parallel()
			_, err := parse(url)
			require.ErrorContains(t, err, want, url)
			for _, part := range []string{"hunter2", "hun", "ter2"} {
				require.NotContains(t, err.Error(), part)
			}
		})
	}
}

// The rule is the cluster's: https://valkey.io/topics/cluster-spec, "Hash tags".
func TestCheckPrefix(t *testing.T) {
	t.Parallel()
	for prefix, fits := range map[string]bool{
		"{halo}:": true, "prod{halo}:": true, "{{halo}}": true, "{a}{b}": true, "}{halo}": true,
		"": false, "halo:": false, "{halo:": false, "halo}:": false, "{}halo:": false, "{}{halo}:": false, "}halo{": false,
	} {
		require.Equal(t, fits, CheckPrefix(prefix) == nil, prefix)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	var b breaker
	require.True(t, b.closed())
	require.False(t, b.failed())
	require.False(t, b.failed())
	b.succeeded()
	require.False(t, b.failed())
	require.False(t, b.failed())
	require.True(t, b.closed())
	require.True(t, b.failed(), "the third in a row")
	require.False(t, b.closed())
	require.False(t, b.failed(), "it is open already")
	b.succeeded()
	require.True(t, b.closed())
	b.open()
	require.False(t, b.closed())
}
