package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/halobestie/bestie-gateway/bench/client"
)

// signIn makes the accounts, a few at a time. The phones are the same in each run, so that runs do not fill the database, and none of
// those that `bestie dev` shows to people.
func (w *world) signIn(ctx context.Context) error {
	for i, api := range w.apis {
		if err := api.Alive(ctx); err != nil {
			return fmt.Errorf("no gateway answers at %s (%w): start one with `bestie dev`, or name yours with --target", w.opts.Targets[i], err)
		}
	}
	mitras, err := fill(ctx, w.opts.Mitras, func(i int) (client.Account, error) {
		return w.apis[0].SeedMitra(ctx, fmt.Sprintf("+62812%08d", i+1), fmt.Sprintf("Mitra %d", i+1))
	})
	if err != nil {
		return w.explainSeed(err)
	}
	customers, err := fill(ctx, w.opts.Customers, func(i int) (client.Account, error) {
		return w.apis[i%len(w.apis)].Anonymous(ctx)
	})
	if err != nil {
		return fmt.Errorf("sign a customer in: %w", err)
	}
	if err := w.choosePackages(ctx, customers[0]); err != nil {
		return err
	}
	for i, account := range mitras {
		w.mitras = append(w.mitras, newMitra(w, i, account))
	}
	for i, account := range customers {
		w.customers = append(w.customers, newCustomer(w, i, account))
	}
	return nil
}

// explainSeed turns what the test route answered into what must be done.
func (w *world) explainSeed(err error) error {
	var status *client.StatusError
	switch {
	case !errors.As(err, &status):
		return fmt.Errorf("no internal listener answers at %s (%w): name it with --internal", w.opts.Internal, err)
	case status.Status == 404:
		return fmt.Errorf("the test routes at %s are off: start the gateway with ENABLE_TEST_ROUTES=true (`bestie dev` does)", w.opts.Internal)
	default:
		return fmt.Errorf("make a mitra at %s: %w", w.opts.Internal, err)
	}
}

// choosePackages finds the package that costs nothing, and the cheapest that costs something.
func (w *world) choosePackages(ctx context.Context, account client.Account) error {
	var packages []client.Package
	err := client.Patiently(ctx, func() (err error) { packages, err = w.apis[0].Packages(ctx, account); return err })
	if err != nil {
		return fmt.Errorf("list the packages: %w", err)
	}
	for _, p := range slices.Backward(packages) { // cheapest first
		if p.Price == 0 {
			w.pack = p.ID
		} else {
			w.paidPack = p.ID
		}
	}
	switch {
	case w.pack.IsZero():
		return errors.New("no package at price 0 is on sale: `bestie seed` makes one")
	case w.opts.Paid && w.paidPack.IsZero():
		return errors.New("no package that costs something is on sale: `bestie seed` makes some")
	}
	return nil
}

// fill makes n accounts, 16 at a time.
func fill(ctx context.Context, n int, sign func(i int) (client.Account, error)) ([]client.Account, error) {
	accounts, errs := make([]client.Account, n), make([]error, n)
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for i := worker; i < n; i += 16 {
				errs[i] = client.Patiently(ctx, func() (err error) { accounts[i], err = sign(i); return err })
				if errs[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return accounts, nil
}
