package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"
)

func TestValkeyCluster(t *testing.T) {
	t.Parallel()
	c, err := StartValkeyCluster(t.Context(), 3, Options{Progress: logTo(t)})
	require.NoError(t, err)
	t.Cleanup(c.Stop)
	require.Len(t, c.Nodes(), 6)

	option, err := valkey.ParseURL(c.URL())
	require.NoError(t, err)
	option.DisableCache = true
	client, err := valkey.NewClient(option)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.Equal(t, valkey.ClientModeCluster, client.Mode())
	set := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return client.Do(ctx, client.B().Set().Key("{x}kept").Value("1").Build()).Error()
	}
	require.NoError(t, set())

	master, err := c.Master(t.Context(), "{x}kept")
	require.NoError(t, err)
	require.NoError(t, master.Kill())
	require.Eventually(t, func() bool { return set() == nil }, patience, soon, "the replica takes its place")
	next, err := c.Master(t.Context(), "{x}kept")
	require.NoError(t, err)
	require.NotSame(t, master, next)

	// It died while it wrote what it knows of the others.
	file := c.files[slices.Index(c.Nodes(), master)].path
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(file, int64(len(whole)/2)))
	require.NoError(t, master.Start(t.Context()))
	require.Eventually(t, func() bool {
		said, err := ask(t.Context(), master.address(), c.password, "ROLE")
		return err == nil && strings.HasPrefix(said, "slave")
	}, patience, soon, "it follows who took its place")
}

func TestIsWhole(t *testing.T) {
	t.Parallel()
	const node = "a 127.0.0.1:1@11 master - 0 0 1 connected 0-99\n"
	for text, want := range map[string]bool{
		node + "vars currentEpoch 6 lastVoteEpoch 0\n": true,
		node + "vars currentEpoch 6 lastVo":            false,
		node:                                           false,
		"":                                             false,
		"\n":                                           false,
	} {
		require.Equal(t, want, isWhole([]byte(text)), "%q", text)
	}
}

func TestMasterOf(t *testing.T) {
	t.Parallel()
	lines := `a 127.0.0.1:1@11 master,fail - 0 0 1 connected 0-99
b 127.0.0.1:2@12,host myself,master - 0 0 2 connected 100-200 300 [7->-c]
c 127.0.0.1:3@13 slave b 0 0 2 connected
`
	for slot, want := range map[int]string{50: "", 100: "127.0.0.1:2", 200: "127.0.0.1:2", 201: "", 300: "127.0.0.1:2", 7: ""} {
		require.Equal(t, want, masterOf(lines, slot), slot)
	}
}

func TestValkeySentinel(t *testing.T) {
	t.Parallel()
	s, err := StartValkeySentinel(t.Context(), Options{Progress: logTo(t)})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	role := func(server *Server) string {
		said, err := ask(t.Context(), server.address(), s.password, "ROLE")
		require.NoError(t, err)
		return said
	}
	require.Contains(t, role(s.First), "master")
	require.Contains(t, role(s.Second), "slave")
	require.NoError(t, s.First.Kill())
	require.Eventually(t, func() bool { return role(s.Second)[:6] == "master" }, patience, soon)
}

func TestValkeyTLS(t *testing.T) {
	t.Parallel()
	s, ca, err := ValkeyTLS(t.Context(), Options{Progress: logTo(t)})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	option, err := valkey.ParseURL(s.URL())
	require.NoError(t, err)
	option.DisableCache = true
	_, err = valkey.NewClient(option)
	require.ErrorContains(t, err, "certificate")

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	option.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	client, err := valkey.NewClient(option)
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.Do(t.Context(), client.B().Ping().Build()).Error())
}
