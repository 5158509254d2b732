package socket

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The outbox against a model that keeps one entry a frame: whatever is pushed and written in whatever portions, ordered
// frames come out whole and in order, and of the others the newest, unless an older one had begun to go out.
func TestOutbox(t *testing.T) {
	t.Parallel()
	type entry struct {
		kind runKind
		data string
	}
	rapid.Check(t, func(t *rapid.T) {
		box := &outbox{}
		var model []entry
		count := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				kind := runKind(rapid.IntRange(0, 2).Draw(t, "kind"))
				count++
				data := fmt.Sprintf("<%d:%d>", kind, count)
				replaced := false
				for i := range model {
					if kind != ordered && model[i].kind == kind {
						model[i].data, replaced = data, true
					}
				}
				if !replaced {
					model = append(model, entry{kind, data})
				}
				require.Equal(t, replaced, box.push(kind, []byte(data)))
			},
			"write": func(t *rapid.T) {
				if len(box.runs) == 0 {
					t.Skip()
				}
				first := box.runs[0].data
				n := rapid.IntRange(0, len(first)).Draw(t, "n")
				for left := string(first[:n]); left != ""; {
					head := &model[0]
					took := min(len(left), len(head.data))
					require.Equal(t, head.data[:took], left[:took])
					left, head.data, head.kind = left[took:], head.data[took:], ordered
					if head.data == "" {
						model = model[1:]
					}
				}
				box.wrote(n)
			},
			"": func(t *rapid.T) {
				var want, got string
				for _, e := range model {
					want += e.data
				}
				for i, r := range box.runs {
					got += string(r.data)
					require.False(t, i > 1 && r.kind == ordered && box.runs[i-1].kind == ordered, "two runs where one does")
				}
				require.Equal(t, want, got)
				require.Equal(t, len(want), box.bytes)
				require.LessOrEqual(t, len(box.runs), 6)
			},
		})
	})
}
