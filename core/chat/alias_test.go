package chat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

func TestAliasOf_IsStable(t *testing.T) {
	t.Parallel()
	id := core.MustParseID[core.CustomerID]("01980000-0000-7000-8000-000000000001")
	require.Equal(t, chat.AliasOf(id), chat.AliasOf(id))
	require.Equal(t, "Embun Teduh", chat.AliasOf(id), "names that mitras know must not change")
}

func TestAliasOf_Spreads(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for range 10_000 {
		seen[chat.AliasOf(core.NewID[core.CustomerID]())]++
	}
	require.Greater(t, len(seen), 900, "of 1024 names")
	for name, n := range seen {
		require.Less(t, n, 60, name)
	}
}

func TestCustomerName(t *testing.T) {
	t.Parallel()
	id := core.NewID[core.CustomerID]()
	for _, test := range []struct {
		name        string
		displayName string
		shown       core.Anonymity
		want        string
	}{
		{"Anonymous", "Sri", core.Anonymous, "Bestie"},
		{"Alias", "Sri", core.Alias, chat.AliasOf(id)},
		{"RealName", "Sri", core.RealName, "Sri"},
		{"RealNameMissing", "", core.RealName, chat.AliasOf(id)},
		{"Unknown", "Sri", "", chat.AliasOf(id)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, chat.CustomerName(id, test.displayName, test.shown))
		})
	}
}
