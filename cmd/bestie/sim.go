package main

import "context"

func simCommand() *command {
	return &command{name: "sim", summary: "simulated mitras and customers against running instances", about: "x", example: "x", flags: newFlags("sim"),
		run: func(ctx context.Context, sh *shell, _ []string) error { return nil }}
}
