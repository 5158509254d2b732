package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/bench/hist"
	"github.com/halobestie/bestie-gateway/bench/pairing"
	"github.com/halobestie/bestie-gateway/bench/subject"
	"github.com/halobestie/bestie-gateway/protocol"
)

const pairingName = "pairing"

// pairingSizes say how many want a mitra.
type pairingSizes struct {
	perSecond          float64
	customers, mitras  int
	warm, length, talk time.Duration
}

// pairingReport is what came of it.
type pairingReport struct {
	PerSecond float64        `json:"per_second"`
	Result    pairing.Result `json:"result"`
	// Milliseconds of a processor for each pairing, from the request to the end of the session.
	Instances float64 `json:"instances_ms"`
	Postgres  float64 `json:"postgres_ms"`
	Valkey    float64 `json:"valkey_ms"`
}

// runPairing has customers at one instance and mitras at another: whatever one side does comes to the other through Postgres and Valkey.
func runPairing(ctx context.Context, o options) (err error) {
	place, err := newPlace(ctx, o.program)
	if err != nil {
		return err
	}
	defer place.leave()
	first, err := subject.Start(ctx, place.program, filepath.Join(place.dir, "dev"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, first.Stop()) }()
	second, err := first.Another(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.Stop()) }()
	cfg, err := people(ctx, o.pairing, first, second)
	if err != nil {
		return err
	}
	crowd, err := pairing.Gather(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, crowd.Leave()) }()
	report, err := measurePairing(ctx, o.pairing, crowd, []*subject.Gateway{first, second})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(o.out, pairingName+".json"), text, 0o644), report.write(os.Stdout))
}

// people gives customers seats at the first instance and mitras seats at the second.
func people(ctx context.Context, s pairingSizes, first, second *subject.Gateway) (cfg pairing.Config, err error) {
	cfg.Talk = s.talk
	if cfg.Customers, err = seats(ctx, first, protocol.RoleCustomer, s.customers, first.Public); err != nil {
		return cfg, err
	}
	if cfg.Mitras, err = seats(ctx, first, protocol.RoleMitra, s.mitras, second.Public); err != nil {
		return cfg, err
	}
	api := client.NewAPI(first.Public, first.Internal)
	defer api.Close()
	packages, err := api.Packages(ctx, client.Account{AccessToken: cfg.Customers[0].Token})
	if err != nil {
		return cfg, err
	}
	i := slices.IndexFunc(packages, func(p client.Package) bool { return p.Price == 0 })
	if i < 0 {
		return cfg, errors.New("no package is free")
	}
	cfg.Package = packages[i].ID
	return cfg, nil
}

func seats(ctx context.Context, g *subject.Gateway, role protocol.Role, count int, target string) (all []pairing.Seat, err error) {
	file := filepath.Join(g.Dir, string(role)+"s.txt")
	if err := g.Tokens(ctx, role, count, file); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	for token := range bytes.FieldsSeq(text) {
		all = append(all, pairing.Seat{Target: target, Token: string(token)})
	}
	return all, err
}

// pairingPatience is how long what was asked for last may take.
const pairingPatience = 10 * time.Second

func measurePairing(ctx context.Context, s pairingSizes, crowd *pairing.Crowd, gateways []*subject.Gateway) (*pairingReport, error) {
	if _, err := crowd.Ask(ctx, s.perSecond, s.warm, pairingPatience); err != nil {
		return nil, err
	}
	before, storesBefore, err := usage(gateways)
	if err != nil {
		return nil, err
	}
	report := &pairingReport{PerSecond: s.perSecond}
	if report.Result, err = crowd.Ask(ctx, s.perSecond, s.length, pairingPatience); err != nil {
		return nil, err
	}
	after, stores, err := usage(gateways)
	if err != nil {
		return nil, err
	}
	each := func(d time.Duration) float64 { return milliseconds(d) / float64(max(report.Result.Paired, 1)) }
	report.Instances = each(after - before)
	report.Postgres, report.Valkey = each(stores["Postgres"]-storesBefore["Postgres"]), each(stores["Valkey"]-storesBefore["Valkey"])
	return report, nil
}

func (r *pairingReport) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "%.4g pairings a second, across instances\tn\tp50\tp99\tp99.9\tmax\t\n", r.PerSecond)
	for _, row := range []struct {
		what  string
		times *hist.Histogram
	}{
		{"request to first offer", &r.Result.FirstOffer},
		{"accept to its answer", &r.Result.Accepted},
		{"accept to customer told", &r.Result.Told},
		{"request to customer told", &r.Result.Whole},
	} {
		fmt.Fprintf(table, "%s\t%d\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t\n", row.what, row.times.Count(), milliseconds(row.times.Quantile(0.5)),
			milliseconds(row.times.Quantile(0.99)), milliseconds(row.times.Quantile(0.999)), milliseconds(row.times.Max()))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d asked, %d paired, %d not asked since no customer was free, refused %v\n"+
		"processor a pairing, session and its end included: instances %.2f ms, Postgres %.2f ms, Valkey %.2f ms\n",
		r.Result.Asked, r.Result.Paired, r.Result.Skipped, r.Result.Refused, r.Instances, r.Postgres, r.Valkey)
	return err
}
