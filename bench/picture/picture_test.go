package picture

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func draw(t *testing.T, c Chart) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, c.WriteSVG(&b))
	for decoder := xml.NewDecoder(strings.NewReader(b.String())); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return b.String()
		} else {
			require.NoError(t, err)
		}
	}
}

func TestChart(t *testing.T) {
	t.Parallel()
	svg := draw(t, Chart{
		Title: "p99 <ms> & more", XLabel: "s", YLabel: "ms",
		Lines: []Line{{"one", []Point{{0, 1}, {1, 20}, {2, math.NaN()}, {3, 5}}}, {"two", []Point{{0, 2}}}},
	})
	require.Contains(t, svg, "p99 &lt;ms&gt; &amp; more")
	require.Equal(t, 2, strings.Count(svg, "<polyline"))
	require.NotContains(t, svg, "NaN")
	require.Contains(t, svg, ">20</text>")
}

func TestLogarithmicLeavesZerosOut(t *testing.T) {
	t.Parallel()
	svg := draw(t, Chart{LogY: true, Lines: []Line{{"l", []Point{{0, 0}, {1, 0.5}, {2, 300}}}}})
	require.Contains(t, svg, ">0.1</text>")
	require.Contains(t, svg, ">1000</text>")
	require.NotContains(t, svg, "Inf")
}

func TestOddCharts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Chart{
		"empty": {}, "empty logarithmic": {LogY: true}, "one point": {Lines: []Line{{"p", []Point{{3, 0}}}}},
		"one power of ten": {LogY: true, Lines: []Line{{"p", []Point{{1, 10}, {2, 10}}}}},
	} {
		svg := draw(t, c)
		require.NotContains(t, svg, "NaN", name)
		require.NotContains(t, svg, "Inf", name)
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	require.Equal(t, []float64{0, 2, 4, 6, 8, 10}, ticks(0, 10))
	require.Equal(t, []float64{0, 10, 20, 30, 40}, ticks(0, 43))
	require.Equal(t, "1.5M", number(1_500_000))
	require.Equal(t, "18k", number(18_000))
	require.Equal(t, "0.25", number(0.25))
}
