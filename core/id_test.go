package core_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
)

func TestParseID_ReadsBackWhatStringWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var id core.MitraID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		for _, text := range []string{id.String(), strings.ToUpper(id.String())} {
			read, err := core.ParseID[core.MitraID](text)
			require.NoError(t, err)
			require.Equal(t, id, read)
		}
	})
}

func TestParseID_ErrBadMessage(t *testing.T) {
	t.Parallel()
	const good = "01a2034f-23fc-7d7b-9028-4b0a5ec0cd76"
	for name, text := range map[string]string{
		"empty": "", "short": good[:35], "long": good + "0", "braces": "{" + good[:34] + "}", "bare hex": strings.ReplaceAll(good, "-", ""),
		"urn": "urn:uuid:" + good, "a letter": "g" + good[1:], "NUL": "\x00" + good[1:], "dash moved": "01a2034f2-3fc-7d7b-9028-4b0a5ec0cd76",
		"a key's sign": "01a2034f:23fc:7d7b:9028:4b0a5ec0cd76", "SQL": "'; drop table mitras; --            ",
	} {
		_, err := core.ParseID[core.MitraID](text)
		require.Equal(t, core.BadMessage, core.CodeOf(err), name)
	}
	require.Panics(t, func() { core.MustParseID[core.MitraID]("nobody") })
	require.Equal(t, good, core.MustParseID[core.MitraID](good).String())
	require.Equal(t, "id "+good, string(core.MustParseID[core.MitraID](good).Append([]byte("id "))))
}

func TestNewID_SortsByTimeAndIsAUUIDv7(t *testing.T) {
	t.Parallel()
	last := core.NewID[core.SessionID]()
	for range 1000 {
		next := core.NewID[core.SessionID]()
		require.Less(t, last.String(), next.String())
		require.Equal(t, byte('7'), next.String()[14])
		last = next
	}
}

func TestID_JSON(t *testing.T) {
	t.Parallel()
	type row struct {
		Mitra core.MitraID         `json:"mitra"`
		Seen  map[core.OfferID]int `json:"seen"`
	}
	full := row{Mitra: core.NewID[core.MitraID](), Seen: map[core.OfferID]int{core.NewID[core.OfferID](): 1}}
	for _, want := range []row{full, {Seen: map[core.OfferID]int{}}} {
		encoded, err := json.Marshal(want)
		require.NoError(t, err)
		var got row
		require.NoError(t, json.Unmarshal(encoded, &got))
		require.Equal(t, want, got)
	}
	require.Error(t, json.Unmarshal([]byte(`{"mitra":"x"}`), new(row)))
}

func TestID_SQL(t *testing.T) {
	t.Parallel()
	id := core.NewID[core.MitraID]()
	value, err := id.Value()
	require.NoError(t, err)
	require.Equal(t, id.String(), value)
	for _, source := range []any{id.String(), []byte(id.String()), id[:], [16]byte(id)} {
		var read core.MitraID
		require.NoError(t, read.Scan(source))
		require.Equal(t, id, read)
	}
	none, err := core.MitraID{}.Value()
	require.NoError(t, err)
	require.Nil(t, none, "the zero id is NULL")
	read := id
	require.NoError(t, read.Scan(nil))
	require.True(t, read.IsZero())
	require.Error(t, read.Scan("nobody"))
	require.Error(t, read.Scan(7))
}
