package hist

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestQuantilesAreWithinABucket(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 300).Draw(t, "values")
		var h Histogram
		for _, v := range values {
			h.Add(time.Duration(v))
		}
		slices.Sort(values)
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			exact := values[max(int(math.Ceil(q*float64(len(values))))-1, 0)]
			got := h.Quantile(q)
			if float64(got) < float64(exact)-1 || float64(got) > float64(exact)*1.017+float64(unit) {
				t.Fatalf("quantile %v of %d values: %v, exactly %v", q, len(values), got, time.Duration(exact))
			}
		}
		if h.Max() != time.Duration(values[len(values)-1]) || h.Count() != uint64(len(values)) {
			t.Fatalf("max %v, count %d", h.Max(), h.Count())
		}
	})
}

func TestBucketsFollowEachOther(t *testing.T) {
	t.Parallel()
	for i := range 20 * subs {
		require.Equal(t, i, bucket(upper(i)-1), "the last of bucket %d", i)
		require.Equal(t, i+1, bucket(upper(i)), "the first behind bucket %d", i)
	}
	require.Equal(t, buckets-1, bucket(math.MaxInt64))
}

func TestMergeAndJSON(t *testing.T) {
	t.Parallel()
	var a, b, sum Histogram
	for i := range 1000 {
		a.Add(time.Duration(i) * time.Microsecond)
		b.Add(time.Duration(i) * time.Millisecond)
	}
	sum.Merge(&a)
	sum.Merge(&b)
	sum.Merge(&Histogram{})
	sum.Merge(nil)
	require.EqualValues(t, 2000, sum.Count())
	require.Equal(t, 999*time.Millisecond, sum.Max())
	require.Equal(t, (a.Mean()+b.Mean())/2, sum.Mean())

	text, err := json.Marshal(&sum)
	require.NoError(t, err)
	var back Histogram
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, sum, back)
	require.Error(t, json.Unmarshal([]byte(`{"count":1,"buckets":{"99999":1}}`), &back))
	require.Error(t, json.Unmarshal([]byte(`[]`), &back))
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	var h Histogram
	require.Zero(t, h.Quantile(0.99))
	require.Zero(t, h.Mean())
	require.Contains(t, h.String(), "n 0")
	h.Add(-time.Second)
	require.Zero(t, h.Max())
	h.Add(3 * time.Millisecond)
	require.Equal(t, "n 2, p50 0s, p99 3ms, p99.9 3ms, max 3ms", h.String())
}
