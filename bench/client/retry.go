package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// How often something is asked for, and the pauses between, half of them left to chance: together about half a minute.
const (
	tries        = 12
	firstPause   = 250 * time.Millisecond
	longestPause = 4 * time.Second
)

// Patiently makes a request as the apps do: what the gateway has no time for now (503), or does not answer in time, is asked
// again after a growing pause, a bounded number of times. For requests that may be made twice.
func Patiently(ctx context.Context, request func() error) (err error) {
	longest := firstPause
	for range tries {
		if err = request(); !isNotNow(err) {
			return err
		}
		timer := time.NewTimer(longest/2 + rand.N(longest/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		longest = min(2*longest, longestPause)
	}
	return err
}

func isNotNow(err error) bool {
	var status *StatusError
	var refused *Refused
	var timeout net.Error
	switch {
	case errors.As(err, &status):
		return status.Status == http.StatusServiceUnavailable
	case errors.As(err, &refused):
		return refused.Status == http.StatusServiceUnavailable
	default:
		return errors.As(err, &timeout) && timeout.Timeout()
	}
}
