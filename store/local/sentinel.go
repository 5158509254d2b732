package local

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// watchedName is what the sentinel calls the master that it watches.
const watchedName = "bestie"

// downAfter is after which silence a sentinel takes the master for gone.
const downAfter = 2 * time.Second

const (
	followerConf = `masterauth %s
repl-diskless-sync-delay 0
`
	sentinelConf = `sentinel monitor %s 127.0.0.1 %s 1
sentinel auth-pass %s %s
sentinel down-after-milliseconds %s %d
sentinel failover-timeout %s 10000
`
)

// ValkeySentinel is a master with a replica, and a sentinel that puts the replica in the master's place when that is gone. It
// is for tests that kill the master.
type ValkeySentinel struct {
	First    *Server // the master at the start
	Second   *Server // its replica
	Sentinel *Server
	password string
}

// StartValkeySentinel starts the three, as StartValkeyCluster starts a cluster. One password is good for all of them.
func StartValkeySentinel(ctx context.Context, o Options) (*ValkeySentinel, error) {
	s := new(ValkeySentinel)
	if err := s.start(ctx, o); err != nil {
		s.Stop()
		return nil, fmt.Errorf("valkey under a sentinel: %w", err)
	}
	return s, nil
}

func (s *ValkeySentinel) start(ctx context.Context, o Options) (err error) {
	if s.First, err = s.run(ctx, o, func() string { return fmt.Sprintf(followerConf, s.password) }); err != nil {
		return err
	}
	_, port, _ := strings.Cut(s.First.address(), ":")
	s.Second, err = s.run(ctx, o, func() string {
		return fmt.Sprintf(followerConf, s.password) + "replicaof 127.0.0.1 " + port + "\n"
	})
	if err != nil {
		return err
	}
	s.Sentinel, err = s.run(ctx, o, func() string {
		return fmt.Sprintf(sentinelConf, watchedName, port, watchedName, s.password, watchedName, downAfter.Milliseconds(), watchedName)
	}, "--sentinel")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, formPatience)
	defer cancel()
	return until(ctx, func() (bool, error) { // a sentinel knows of the replica only a while after the master does
		said, err := ask(ctx, s.Sentinel.address(), s.password, "SENTINEL", "REPLICAS", watchedName)
		return strings.Contains(said, s.Second.address()) && strings.Contains(said, "master-link-status\nok"), err
	})
}

func (s *ValkeySentinel) run(ctx context.Context, o Options, conf func() string, args ...string) (*Server, error) {
	r, err := claimValkey(ctx, o)
	if err != nil {
		return nil, err
	}
	if s.password == "" {
		s.password = r.place.password
	}
	r.place.password, r.args = s.password, args
	r.more = func(int, string) (string, error) { return conf(), nil }
	return r.startOrRelease(ctx)
}

// URL leads to the master through the sentinel.
func (s *ValkeySentinel) URL() string {
	query := url.Values{"master_set": {watchedName}, "sentinel_password": {s.password}}
	return redisURL(s.Sentinel.address(), s.password) + "?" + query.Encode()
}

// Stop ends all three. It may be called twice.
func (s *ValkeySentinel) Stop() {
	var running []*Server
	for _, server := range []*Server{s.Sentinel, s.Second, s.First} {
		if server != nil {
			running = append(running, server)
		}
	}
	stopAll(running)
}
