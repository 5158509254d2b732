package chat

import "slices"

// Status is where a session is in its life.
type Status string

// The six statuses. The last three are terminal: nothing leaves them.
const (
	Searching      Status = "searching"
	PendingPayment Status = "pending_payment"
	Active         Status = "active"
	Ended          Status = "ended"
	Cancelled      Status = "cancelled"
	Unmatched      Status = "unmatched"
)

// Statuses lists them all.
var Statuses = []Status{Searching, PendingPayment, Active, Ended, Cancelled, Unmatched}

// transitions is the one table of what may follow what; every UPDATE of a status is guarded by it.
var transitions = map[Status][]Status{
	Searching:      {PendingPayment, Active, Unmatched, Cancelled},
	PendingPayment: {Active, Searching, Cancelled},
	Active:         {Ended, Searching},
}

// May tells whether a session may go from one status to the other.
func May(from, to Status) bool { return slices.Contains(transitions[from], to) }

// Before lists the statuses from which a session may come to the given one: what an UPDATE's WHERE must name.
func Before(to Status) []Status {
	var from []Status
	for _, status := range Statuses {
		if May(status, to) {
			from = append(from, status)
		}
	}
	return from
}

// Live tells whether the session still holds its customer (one live session a customer).
func (s Status) Live() bool { return s == Searching || s == PendingPayment || s == Active }

// Holds tells whether the session takes up its mitra's capacity.
func (s Status) Holds() bool { return s == PendingPayment || s == Active }
