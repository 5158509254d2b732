// Package flood has many sign in at once and watches what that does to those who are connected: a flood of log-ins must
// never starve sockets.
//
//	Meter: sockets that beat at fixed times ──► how late each answer is
//	Run: log-ins at the control center, anonymous sign-ins, refreshes and handshakes, each as fast as it is answered
//
// Meter and Run belong in two processes, the flood in one of low priority: it stands for machines of other people, which take no
// time of the gateway's. Beats leave at times that are fixed before, so a gateway that stalls is charged for all that would have
// happened meanwhile.
package flood

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
)

// Target is a gateway with its test routes on.
type Target struct {
	Public, Internal string // host:port
}

// Mix is how many of each kind keep at it.
type Mix struct{ LogIns, SignIns, Refreshes, Handshakes int }

// Counts is what was answered, and how much of it by OVERLOADED or another refusal.
type Counts struct {
	LogIns, SignIns, Refreshes, Handshakes, Refused uint64

	Why map[string]uint64 // how often each refusal
}

// Run floods a gateway until ctx's deadline, and counts.
func Run(ctx context.Context, t Target, mix Mix) (Counts, error) {
	api := client.NewAPI(t.Public, t.Internal)
	defer api.Close()
	someone, err := api.Anonymous(ctx)
	if err != nil {
		return Counts{}, fmt.Errorf("a first sign-in: %w", err)
	}
	var done struct{ logIns, signIns, refreshes, handshakes, refused atomic.Uint64 }
	end, _ := ctx.Deadline() // what ends then is no refusal
	var mu sync.Mutex
	why := map[string]uint64{}
	var all sync.WaitGroup
	keepAt := func(how int, count *atomic.Uint64, once func() error) {
		for range how {
			all.Go(func() {
				for ctx.Err() == nil {
					if err := once(); err == nil {
						count.Add(1)
					} else if time.Now().Before(end) {
						done.refused.Add(1)
						mu.Lock()
						why[err.Error()]++
						mu.Unlock()
					}
				}
			})
		}
	}
	doors := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: mix.LogIns}}
	defer doors.CloseIdleConnections()
	keepAt(mix.LogIns, &done.logIns, func() error { return logIn(ctx, doors, t) })
	keepAt(mix.SignIns, &done.signIns, func() error {
		_, err := api.Anonymous(ctx)
		return err
	})
	for range mix.Refreshes {
		account, err := api.Anonymous(ctx)
		if err != nil {
			continue
		}
		keepAt(1, &done.refreshes, func() error {
			renewed, err := api.Refresh(ctx, account)
			if err == nil {
				account = renewed
			}
			return err
		})
	}
	keepAt(mix.Handshakes, &done.handshakes, func() error {
		socket, err := client.Dial(ctx, client.Dialing{Target: t.Public, Token: someone.AccessToken})
		if err == nil {
			socket.Cut()
		}
		return err
	})
	all.Wait()
	return Counts{
		LogIns: done.logIns.Load(), SignIns: done.signIns.Load(), Refreshes: done.refreshes.Load(),
		Handshakes: done.handshakes.Load(), Refused: done.refused.Load(), Why: why,
	}, nil
}

// logIn is one log-in with an address that nobody has had so far: it costs a comparison, and no lockout spares the gateway the next.
func logIn(ctx context.Context, doors *http.Client, t Target) error {
	body, err := json.Marshal(map[string]string{"email": rand.Text() + "@example.com", "password": "a guess"})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.Internal+"/internal/auth/login", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := doors.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("log-in: answer %d", response.StatusCode)
	}
	return nil
}
