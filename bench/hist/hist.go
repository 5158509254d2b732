// Package hist counts durations in buckets that are at most 1.6 % wide, so that a percentile of millions of them costs a few
// kilobytes and histograms of several processes can be added up.
//
//	value in ns ─► 64 buckets for each power of two from 1 µs on ─► Add, Merge, Quantile
package hist

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"time"
)

const (
	unit      = time.Microsecond / 16 // what is shorter than 64 of these is counted exactly in them
	subBits   = 6
	subs      = 1 << subBits
	exponents = 32 // up to 64 units times 2^31: a day and more
	buckets   = exponents * subs
)

// Histogram is a set of durations. Its zero value is empty and ready. It is not safe for concurrent use.
type Histogram struct {
	count    uint64
	max      time.Duration
	sum      time.Duration
	counters []uint64 // by bucket; nil while empty
}

// Add counts a duration; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	if h.counters == nil {
		h.counters = make([]uint64, buckets)
	}
	h.counters[bucket(d)]++
	h.count++
	h.sum += d
	h.max = max(h.max, d)
}

// bucket numbers buckets: the first 64 of one unit each, then 64 for every doubling.
func bucket(d time.Duration) int {
	n := uint64(d / unit)
	exponent := max(bits.Len64(n)-subBits, 0)
	if exponent == 0 {
		return int(n)
	}
	// n>>(exponent-1) is in [64,128): the leading bit says which doubling, the six below it the bucket of it.
	return min(exponent*subs+int(n>>(exponent-1))-subs, buckets-1)
}

// upper is the end of a bucket.
func upper(i int) time.Duration {
	exponent, sub := i/subs, i%subs
	if exponent == 0 {
		return time.Duration(sub+1) * unit
	}
	return time.Duration(uint64(subs+sub+1)<<(exponent-1)) * unit
}

// Merge adds another one's durations.
func (h *Histogram) Merge(other *Histogram) {
	if other == nil || other.count == 0 {
		return
	}
	if h.counters == nil {
		h.counters = make([]uint64, buckets)
	}
	for i, n := range other.counters {
		h.counters[i] += n
	}
	h.count += other.count
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Count is how many durations there are.
func (h *Histogram) Count() uint64 { return h.count }

// Max is the longest, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean is the average; 0 of none.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return h.sum / time.Duration(h.count)
}

// Quantile is the duration that the share q of all does not exceed, rounded up to its bucket's end; 0 of none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	left := uint64(q*float64(h.count) + 0.999999)
	for i, n := range h.counters {
		if left <= n {
			return min(upper(i), h.max)
		}
		left -= n
	}
	return h.max
}

// String is the usual line.
func (h *Histogram) String() string {
	return fmt.Sprintf("n %d, p50 %v, p99 %v, p99.9 %v, max %v", h.count,
		short(h.Quantile(0.5)), short(h.Quantile(0.99)), short(h.Quantile(0.999)), short(h.max))
}

func short(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}

// wire is a histogram as JSON: only buckets that hold something.
type wire struct {
	Count   uint64         `json:"count"`
	Max     time.Duration  `json:"max_ns"`
	Sum     time.Duration  `json:"sum_ns"`
	Buckets map[int]uint64 `json:"buckets,omitempty"`
}

// MarshalJSON writes the buckets that hold something.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	w := wire{Count: h.count, Max: h.max, Sum: h.sum, Buckets: map[int]uint64{}}
	for i, n := range h.counters {
		if n > 0 {
			w.Buckets[i] = n
		}
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*h = Histogram{count: w.Count, max: w.Max, sum: w.Sum}
	if w.Count > 0 {
		h.counters = make([]uint64, buckets)
	}
	for i, n := range w.Buckets {
		if i < 0 || i >= buckets || h.counters == nil {
			return fmt.Errorf("hist: no bucket %d", i)
		}
		h.counters[i] = n
	}
	return nil
}
