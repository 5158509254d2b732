package main

import (
	"context"
	"time"
)

const fleetName = "fleet"

type fleetSizes struct {
	instances, sockets int
	length             time.Duration
}

func runFleet(context.Context, options) error { return nil }
