package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
)

// tokenSettings are what token reads.
type tokenSettings struct {
	config.Database
	config.Tokens
	config.Providers
	config.Log
}

func tokenCommand() *command {
	flags := newFlags("token")
	userType := flags.String("user-type", "customer", "`customer|mitra`")
	count := flags.Int("count", 1, "`how many`, each of another user")
	dir := flags.String("dir", defaultDevDir, "`folder` of the bestie dev to use when DATABASE_URL is not set")
	return &command{
		name:    "token",
		summary: "access tokens of new test users, one a line",
		about: `
Makes test users and prints an access token of each: for load tests, and for trying the socket by hand. It writes to the database and
signs with the secret of the instances, so it needs ENABLE_TEST_ROUTES, which production does not set. When DATABASE_URL is not
set, the bestie dev that is running here is used and nothing needs to be set.`,
		settings: config.Settings[tokenSettings](),
		example:  "bestie token --user-type mitra --count 200 > mitras.txt",
		flags:    flags,
		run: func(ctx context.Context, sh *shell, _ []string) error {
			user := core.UserType(*userType)
			if user != core.Customer && user != core.Mitra {
				return usagef("--user-type must be customer or mitra")
			}
			if *count < 1 {
				return usagef("--count must be at least 1")
			}
			return printTokens(ctx, sh, user, *count, *dir)
		},
	}
}

func printTokens(ctx context.Context, sh *shell, user core.UserType, count int, devDir string) error {
	environ, origin := sh.environ, "DATABASE_URL"
	if !isSet(environ, "DATABASE_URL") {
		dev, err := runningDev(devDir)
		if err != nil {
			return err
		}
		environ, origin = append(environ, dev...), "the bestie dev in "+devDir
	}
	cfg, err := config.Load[tokenSettings](environ)
	if err != nil {
		return err
	}
	if !cfg.TestRoutes {
		return config.Mistakes{"ENABLE_TEST_ROUTES must be true: token makes users that nobody signed up for"}
	}
	db, err := openDatabase(ctx, cfg.Database, cfg.Log, sh)
	if err != nil {
		return fmt.Errorf("the database of %s: %w", origin, err)
	}
	defer db.Close()
	accounts, err := newAuth(authConfig(cfg.Tokens, 0), signInVendors{}, cfg.TestRoutes, db, core.SystemClock, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(sh.out)
	defer out.Flush()
	// In portions, so that a million tokens show up as they are made.
	for left := count; left > 0; {
		tokens, err := accounts.IssueFor(ctx, user, min(left, 1000))
		if err != nil {
			return err
		}
		for _, token := range tokens {
			fmt.Fprintln(out, token)
		}
		left -= len(tokens)
	}
	return nil
}
