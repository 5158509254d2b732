package core

import "time"

// Clock tells the time. Production code gets SystemClock; tests pass a func of their own or run inside testing/synctest.
// Deadlines never use it: they are on Postgres's clock.
type Clock func() time.Time

// SystemClock is the machine's wall clock, with its monotonic reading.
func SystemClock() time.Time { return time.Now() }
