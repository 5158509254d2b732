// Package load puts a server under a load that does not depend on how the server bears it, and reads from the kernel what the
// server spent on that.
//
//	Bench ── Task ──► Crew ── the same task to each ──► Worker (a process of its own, one epoll loop, thousands of sockets)
//	  │                 ▲                                   │
//	  │ CPU, memory     └───────── Progress, Report ◄───────┘  (lines of JSON over its standard input and output)
//	  ▼ of the server's process
//	Figures (scenarios.go: idle, handshake, echo, fan-out, storm, slow readers, mixed)
//
// Requests go out at times that are fixed before (an open loop): a latency counts from when its request was meant to leave,
// so a server that stalls is charged for all that would have happened meanwhile. What the server speaks is data (Dialect), so
// the same load is put on the gateway and on other servers.
//
// Workers are processes since one may hold a limited number of files: main must call IsWorker first.
package load

import "time"

// Dialect is what a server speaks: the messages that a client sends, ready made, and how to tell what comes back.
type Dialect struct {
	Path        string   `json:"path"`
	Subprotocol string   `json:"subprotocol,omitempty"`
	Hello       []byte   `json:"hello,omitempty"`     // sent first; nil: nothing
	Greeted     bool     `json:"greeted,omitempty"`   // a connection is open with the server's first message, else with 101
	Subscribe   []byte   `json:"subscribe,omitempty"` // asks for events; nil: they come anyway
	Request     []byte   `json:"request"`             // is answered
	OneWay      []byte   `json:"one_way"`             // is not
	State       []byte   `json:"state,omitempty"`     // asks for what a connection is greeted with; nil: there is no such thing
	Answer      []byte   `json:"answer,omitempty"`    // what answers begin with
	Event       []byte   `json:"event,omitempty"`     // what events begin with
	Triggers    [][]byte `json:"triggers,omitempty"`  // make the server send an event to all, one after the other in turn
	Delimited   bool     `json:"delimited,omitempty"` // a frame holds messages, each behind its length as a varint
}

// Range is sockets by number: From and up to To, without it.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Len is how many there are.
func (r Range) Len() int { return r.To - r.From }

// Setup is what a worker is told first.
type Setup struct {
	Worker  int      `json:"worker"` // its number, from 0
	Workers int      `json:"workers"`
	Targets []string `json:"targets"` // host:port; socket n goes to the n-th, round and round
	Dialect Dialect  `json:"dialect"`
	Sockets int      `json:"sockets"` // of all workers together, at most
}

// Kind says which message a stream is of.
type Kind string

// The kinds of streams.
const (
	Requests Kind = "request"
	OneWays  Kind = "one-way"
	Pings    Kind = "ping" // frames of 125 bytes
	States   Kind = "state"

	Subscriptions Kind = "subscription" // nothing where events come anyway
)

// Stream is messages spread evenly over sockets, and over time: at a fixed rate, or so that as many are unanswered.
type Stream struct {
	Range
	Kind      Kind    `json:"kind"`
	PerSecond float64 `json:"per_second"`          // of all sockets of the range together
	InFlight  int     `json:"in_flight,omitempty"` // of States, with PerSecond 0: each answer lets the next one leave
	Beside    int     `json:"beside,omitempty"`    // with InFlight: so many OneWays leave other sockets with each
}

// Opening is sockets to connect.
type Opening struct {
	Range
	InFlight  int           `json:"in_flight"`           // handshakes at the same time
	PerSecond float64       `json:"per_second"`          // at most so many; 0: no limit
	After     time.Duration `json:"after"`               // the task's beginning
	Cut       bool          `json:"cut,omitempty"`       // those that are open are cut first: all at once, or each before its turn when there is a rate
	Subscribe bool          `json:"subscribe,omitempty"` // to events; those that are cut: as before
	Bare      bool          `json:"bare,omitempty"`      // those that are cut do not subscribe again
	Tokens    string        `json:"tokens,omitempty"`    // a file with a token a line; "": as before
	First     int           `json:"first,omitempty"`     // the line of the range's first socket, from 0
}

// Trigger has one socket make the server send events, at fixed times.
type Trigger struct {
	Socket int           `json:"socket"`
	Every  time.Duration `json:"every"`
}

// Task is one thing to do, the same for all workers: each does its own sockets' part.
type Task struct {
	Start   time.Duration `json:"start"`  // kernel.Now when it begins
	Length  time.Duration `json:"length"` // of streams and triggers
	Linger  time.Duration `json:"linger"` // to wait for what is still to come
	Close   *Range        `json:"close,omitempty"`
	Open    *Opening      `json:"open,omitempty"`
	Streams []Stream      `json:"streams,omitempty"`
	Trigger *Trigger      `json:"trigger,omitempty"`
	Mute    *Range        `json:"mute,omitempty"` // these are not read
}

// messages is how many the task's streams are meant to send, but for pings, which go to who does not read.
func (t Task) messages() (n float64) {
	for _, s := range t.Streams {
		if s.Kind != Pings {
			n += s.PerSecond * t.Length.Seconds()
		}
	}
	return n
}
