package main

import (
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/bench/kernel"
	"github.com/halobestie/bestie-gateway/bench/subject"
)

// usage is what instances have used of the processor, and what the stores have, which are the first one's children.
func usage(gateways []*subject.Gateway) (instances time.Duration, stores map[string]time.Duration, err error) {
	for _, g := range gateways {
		used, err := kernel.CPUOf(g.PID)
		if err != nil {
			return 0, nil, err
		}
		instances += used.Total
	}
	stores = map[string]time.Duration{}
	for _, child := range kernel.Children(gateways[0].PID) {
		if used, err := kernel.CPUOf(child); err == nil { // it may have ended just now
			name := "Postgres"
			if process := kernel.Name(child); strings.HasPrefix(process, "valkey") || strings.HasPrefix(process, "redis") {
				name = "Valkey"
			}
			stores[name] += used.Total
		}
	}
	return instances, stores, nil
}
