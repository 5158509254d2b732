package chat_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core/chat"
)

var terminal = []chat.Status{chat.Ended, chat.Cancelled, chat.Unmatched}

// The table as domain.md draws it, written out a second time: a slip in one of the two shows.
func TestMay_IsTheDrawing(t *testing.T) {
	t.Parallel()
	drawn := map[chat.Status][]chat.Status{
		chat.Searching:      {chat.PendingPayment, chat.Active, chat.Unmatched, chat.Cancelled},
		chat.PendingPayment: {chat.Active, chat.Searching, chat.Cancelled},
		chat.Active:         {chat.Ended, chat.Searching},
	}
	for _, from := range chat.Statuses {
		for _, to := range chat.Statuses {
			require.Equal(t, slices.Contains(drawn[from], to), chat.May(from, to), "%s to %s", from, to)
		}
	}
}

func TestMay_NothingLeavesATerminalStatus(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(terminal).Draw(t, "from")
		to := rapid.SampledFrom(chat.Statuses).Draw(t, "to")
		require.False(t, chat.May(from, to))
		require.False(t, from.Live())
		require.False(t, from.Holds())
	})
}

func TestMay_EveryStatusButSearchingIsReached(t *testing.T) {
	t.Parallel()
	reached := map[chat.Status]bool{}
	next := []chat.Status{chat.Searching}
	for len(next) > 0 {
		from := next[0]
		next = next[1:]
		for _, to := range chat.Statuses {
			if chat.May(from, to) && !reached[to] {
				reached[to] = true
				next = append(next, to)
			}
		}
	}
	for _, status := range chat.Statuses {
		require.True(t, reached[status], "%s cannot be reached from a new session", status)
	}
	require.Len(t, chat.Before(chat.Searching), 2, "only a reroute leads back to searching")
}

func TestBefore_AgreesWithMay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(chat.Statuses).Draw(t, "from")
		to := rapid.SampledFrom(chat.Statuses).Draw(t, "to")
		require.Equal(t, chat.May(from, to), slices.Contains(chat.Before(to), from))
	})
}

// A random walk along the table: what a session may live through.
func TestMay_EveryWalkKeepsTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		status := chat.Searching
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			next := rapid.SampledFrom(chat.Statuses).Draw(t, "next")
			if !chat.May(status, next) {
				continue
			}
			require.True(t, status.Live(), "%s was over and went on to %s", status, next)
			require.NotEqual(t, status, next, "a transition changes something")
			if next == chat.Ended {
				require.Equal(t, chat.Active, status, "only what was active ends")
			}
			status = next
		}
		require.Equal(t, status == chat.PendingPayment || status == chat.Active, status.Holds(),
			"capacity is held exactly while a mitra is bound")
		require.Equal(t, !slices.Contains(terminal, status), status.Live())
	})
}
