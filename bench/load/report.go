package load

import (
	"time"

	"github.com/halobestie/bestie-gateway/bench/hist"
)

// Report is what came of a task.
type Report struct {
	Sent      uint64          `json:"sent"`     // messages of streams
	Requests  uint64          `json:"requests"` // those of them that want an answer
	Blocked   uint64          `json:"blocked"`  // not sent: the socket took no more
	NotOpen   uint64          `json:"not_open"` // not sent: the socket was not open
	Latency   hist.Histogram  `json:"latency"`  // of answers, from when the request was to leave
	Slices    []Slice         `json:"slices"`   // the same by time
	Events    uint64          `json:"events"`
	EventAge  hist.Histogram  `json:"event_age"` // of events, from when the last trigger was to go off
	Opened    uint64          `json:"opened"`
	OpenTime  hist.Histogram  `json:"open_time"` // from connect until the connection is open
	OpenTook  time.Duration   `json:"open_took"` // until the last one of an opening was open
	Failed    uint64          `json:"failed"`    // attempts to connect, each followed by another one
	NotOpened uint64          `json:"not_opened"`
	Lost      map[uint16]uint `json:"lost"` // connections that the server ended, by close code; 1006: without one
}

// sliceLength is how much time a Slice covers.
const sliceLength = 250 * time.Millisecond

// Slice is the answers of a part of the time.
type Slice struct {
	At      time.Duration  `json:"at"` // its beginning, from the task's
	Latency hist.Histogram `json:"latency"`
}

// add sums up what several workers report.
func (r *Report) add(other *Report) {
	r.Sent += other.Sent
	r.Requests += other.Requests
	r.Blocked += other.Blocked
	r.NotOpen += other.NotOpen
	r.Events += other.Events
	r.Opened += other.Opened
	r.Failed += other.Failed
	r.NotOpened += other.NotOpened
	r.OpenTook = max(r.OpenTook, other.OpenTook)
	r.Latency.Merge(&other.Latency)
	r.EventAge.Merge(&other.EventAge)
	r.OpenTime.Merge(&other.OpenTime)
	for i := range other.Slices {
		r.slice(other.Slices[i].At).Merge(&other.Slices[i].Latency)
	}
	for code, n := range other.Lost {
		r.lost(code, n)
	}
}

func (r *Report) lost(code uint16, n uint) {
	if r.Lost == nil {
		r.Lost = map[uint16]uint{}
	}
	r.Lost[code] += n
}

// LostCount is how many connections the server ended.
func (r *Report) LostCount() (n uint) {
	for _, of := range r.Lost {
		n += of
	}
	return n
}

// Missing is how many requests were not answered in time.
func (r *Report) Missing() uint64 { return r.Requests - min(r.Latency.Count(), r.Requests) }

// slice finds the histogram of a time, slices being in order without gaps.
func (r *Report) slice(at time.Duration) *hist.Histogram {
	i := int(max(at, 0) / sliceLength)
	for len(r.Slices) <= i {
		r.Slices = append(r.Slices, Slice{At: time.Duration(len(r.Slices)) * sliceLength})
	}
	return &r.Slices[i].Latency
}

// Progress is what a worker tells while it works: its task so far.
type Progress struct {
	Open     int    `json:"open"` // sockets now
	Sent     uint64 `json:"sent"`
	Answered uint64 `json:"answered"`
	Events   uint64 `json:"events"`
}
