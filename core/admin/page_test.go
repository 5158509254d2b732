package admin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
)

func TestCursor_LeadsBackToItsKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.SampledFrom([]Order{Newest, Latest, ByName, ByPhone}).Draw(t, "order")
		key := Key{ID: core.NewID[core.UserID](), Text: rapid.StringMatching(`[^\x00]{0,90}`).Draw(t, "text")}
		if order == Newest {
			key.At = time.UnixMicro(rapid.Int64Range(0, 253402300799999999).Draw(t, "at")).UTC()
		} else {
			key.Number = rapid.Int64().Draw(t, "number")
		}
		read, ok := parseCursor(order, cursor(order, key))
		require.True(t, ok)
		require.Equal(t, key, read)
		for _, other := range []Order{Newest, Latest, ByName, ByPhone} {
			if other != order {
				_, ok := parseCursor(other, cursor(order, key))
				require.False(t, ok, "of another order")
			}
		}
	})
}

// Whatever somebody sends, a cursor is refused or is a key that Postgres takes.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(cursor(Newest, Key{At: time.Now()}))
	f.Add(cursor(ByName, Key{Text: "Ayu"}))
	f.Fuzz(func(t *testing.T, text string) {
		for _, order := range []Order{Newest, Latest, ByName, ByPhone} {
			key, ok := parseCursor(order, text)
			if !ok {
				continue
			}
			require.NotContains(t, key.Text, "\x00")
			require.LessOrEqual(t, len(key.Text), maxText+2)
			if order == Newest {
				require.GreaterOrEqual(t, key.At.Year(), 1970)
				require.LessOrEqual(t, key.At.Year(), 9999)
			}
		}
	})
}

func TestPage_Bounds(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{0: DefaultLimit + 1, 1: 2, MaxLimit: MaxLimit + 1} {
		span, err := Page{Limit: limit}.span(Newest)
		require.NoError(t, err)
		require.Equal(t, want, span.Limit, "one more, to see whether there is a next page")
	}
	for _, limit := range []int{-1, MaxLimit + 1} {
		_, err := Page{Limit: limit}.span(Newest)
		require.Equal(t, core.BadMessage, core.CodeOf(err))
	}
}

func TestListOf_TheLastPageHasNoNext(t *testing.T) {
	t.Parallel()
	key := func(n int) Key { return Key{Number: int64(n)} }
	full := listOf(Span{Order: Latest, Limit: 4}, []int{9, 8, 7, 6}, key)
	require.Equal(t, []int{9, 8, 7}, full.Items)
	next, ok := parseCursor(Latest, full.Next)
	require.True(t, ok)
	require.Equal(t, int64(7), next.Number)
	require.Empty(t, listOf(Span{Order: Latest, Limit: 4}, []int{9, 8, 7}, key).Next)
	require.Empty(t, listOf(Span{Order: Latest, Limit: 4}, nil, key))
}

func TestSearchFor(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]Search{
		"": {}, "  ": {}, "Sari": {Name: "Sari"}, " sari p ": {Name: "sari p"}, "0812": {Phone: "+62812"}, "812": {Phone: "+62812"},
		"62812": {Phone: "+62812"}, "+62 812-34": {Phone: "+6281234"}, "+": {Phone: "+"}, "-": {Phone: "+62"}, "081x": {Name: "081x"}, "+62+8": {Name: "+62+8"},
	} {
		require.Equal(t, want, SearchFor(typed), typed)
	}
}
