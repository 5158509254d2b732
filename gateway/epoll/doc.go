// Package epoll waits for many descriptors at once, with raw descriptors and nothing borrowed per descriptor:
//
//	Poller  readiness: epoll on Linux; poll(2) elsewhere, for development
//	Wheel   when to look at a key again: 4 bytes a key, no timer, no goroutine
//	Loop    one goroutine around both, and a mailbox for what other goroutines want done in it
//
// A turn of a loop:
//
//	wait for descriptors ──► Ready(key) each ──► Due(key) each ──► what was posted before ──┐
//	    ▲       (at most until the next tick of the wheel; not at all while there is mail)  │
//	    │       (before that, a dedicated loop naps where events may gather: see pace)      │
//	    └───────────────────────────────────────────────────────────────────────────────────┘
//
// Descriptors are known by the key that they were added with. Readiness is level-triggered: what a handler leaves unread is
// told again, so one read an event is enough, and a busy peer cannot starve the others. A stale event is possible (an earlier
// handler of the same turn closed the descriptor, and its key was given out anew): handlers must take an event as a hint
// and let the system call decide.
//
// Built with the tag "poll", Linux takes the portable poller too, so that it is tested where everything else is.
package epoll
