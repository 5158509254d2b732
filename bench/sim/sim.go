// Package sim is mitras and customers who use running gateways the way the apps do, and a judge who watches them. It knows
// the gateways by their wire and routes alone, so what it finds broken is broken for everybody.
//
// # The course of a run
//
//	sign in   mitras by the test route, customers anonymously; a package at price 0 is looked up
//	connect   round-robin over the targets, a few at a time; every mitra goes online
//	quiet     a mitra goes offline and comes back, and every customer must see the count change: "beacon"
//	load      pairings are asked for at a steady rate, whatever the answers take (open loop); mitras receive, accept, decline
//	          or ignore, take breaks, end sessions; customers wait, some give up, talk, end
//	paid      with Paid, most sessions cost something: customers pay at the sandbox's page, some fail and ask again, some
//	          want more minutes or another mitra
//	wind down customers end what they have; while all sockets are still up, the oracle holds what crossed them to the stores
//	          (package oracle); then mitras go offline, and what the gateways say of everybody is compared with what
//	          happened
//
// # What is measured
//
//	connect                   dialing until welcome
//	heartbeat ack             heartbeat until its ack
//	beacon change seen        presence.set's ack to its mitra until another count reached a customer, every customer counted,
//	                          while nothing else changes
//	request to first offer    the time at which the request was due until the first offer of its session reached any mitra
//	accept to customer told   offer.accept sent until the customer held the session with that mitra
//
// # What is judged
//
// See Invariant. A session's truth is put together from what all clients saw of it; nothing is called broken that a
// late or doubled event could explain. Sockets that a gateway ends as protocol.md foresees (draining, retired, token expired)
// reconnect and are no breach, so gateways may be rolled while a run lasts.
//
// # Faults
//
// With During, somebody breaks stores and instances while the load lasts. Connections that drop are no breach then, since they
// come back, at another target; everything else is judged as ever.
//
// # Who runs what
//
// A client is one goroutine that owns all of its state, and one that reads its socket; requests to it are functions on a
// channel. Shared are only the ledger, behind its lock, and counters.
package sim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Range is a time between two bounds.
type Range struct{ Min, Max time.Duration }

func (r Range) draw(dice *dice) time.Duration { return r.Min + dice.upTo(r.Max-r.Min) }

// Options say what to simulate. Zero values give the defaults.
type Options struct {
	Targets           []string      // public addresses; default http://127.0.0.1:3000
	Internal          string        // internal address with the test routes; default http://127.0.0.1:3001
	Mitras            int           // default 100
	Customers         int           // default 25
	Duration          time.Duration // of the load; default 30 s
	PairingsPerSecond float64       // default a fifth of the customers
	Verify            bool          // compare what happened with the gateways' state and with the stores, at the end
	Alone             bool          // nobody else uses these gateways: their whole count must be ours
	Paid              bool          // most sessions cost something, paid at the sandbox's page, and are extended and rerouted
	Seed              uint64        // of everything that is left to chance; 0: another one each time

	// During is called when everybody is connected, and the load lasts until it returns: to break things meanwhile. Its oracle
	// knows what the run has seen so far. Nil: the load lasts for Duration.
	During func(ctx context.Context, o *oracle.Oracle)

	Think         Range         // until a mitra answers an offer; default 5 to 50 ms
	Talk          Range         // a session; default 0.5 to 2.5 s
	Stale         time.Duration // silence after which a mitra may be taken offline; default 45 s
	Breaks        time.Duration // a mitra takes a break about that often; default 60 s, negative: never
	Late          time.Duration // how late an offer may reach a mitra that went offline after it was made; default 3 s
	AnswerTimeout time.Duration // a request without an answer by then breaks an invariant; default 10 s
	WindDown      time.Duration // how long the end may take; default AnswerTimeout and 10 s
	Settle        time.Duration // how long the stores may take to agree with the sockets; default Stale and 15 s
	Probes        int           // mitras who go and come in the quiet phase; default 3, negative: none
	Terminal      bool          // out is a terminal: progress is one line that moves
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	if len(o.Targets) == 0 {
		o.Targets = []string{"http://127.0.0.1:3000"}
	}
	if o.Internal == "" {
		o.Internal = "http://127.0.0.1:3001"
	}
	if o.Mitras == 0 {
		o.Mitras = 100
	}
	if o.Customers == 0 {
		o.Customers = 25
	}
	if o.PairingsPerSecond == 0 {
		o.PairingsPerSecond = max(1, float64(o.Customers)/5)
	}
	if o.Think == (Range{}) {
		o.Think = Range{5 * time.Millisecond, 50 * time.Millisecond}
	}
	if o.Talk == (Range{}) {
		o.Talk = Range{500 * time.Millisecond, 2500 * time.Millisecond}
	}
	if o.Probes == 0 {
		o.Probes = 3
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	set(&o.Duration, 30*time.Second)
	set(&o.Stale, 45*time.Second)
	set(&o.Settle, o.Stale+15*time.Second)
	set(&o.Breaks, time.Minute)
	set(&o.Late, 3*time.Second)
	set(&o.AnswerTimeout, 10*time.Second)
	set(&o.WindDown, o.AnswerTimeout+10*time.Second+time.Duration(o.Mitras)*time.Second/leavingRate)
	return o
}

// world is what the clients of a run share.
type world struct {
	opts   Options
	ledger *ledger
	record *oracle.Record // nil: nothing is verified
	oracle *oracle.Oracle
	meters meters
	pack   protocol.UUID // the package that costs nothing

	paidPack protocol.UUID // the cheapest one that does not
	till     till

	apis      []*client.API // one a target
	mitras    []*mitra
	customers []*customer
	idle      chan *customer // those who may ask for a pairing
	beacon    probe
	over      atomic.Bool   // the load: no more breaks
	gate      chan struct{} // holds a token for each client on its way up
}

// climbing is how many clients connect and go online at once: a crowd that comes at its own pace, not a storm.
const climbing = 64

// leavingRate is how many mitras a second go home at the end.
const leavingRate = 1000

// Run simulates until the time is over or ctx ends, then winds down and reports. The error says what must be done for a run to
// be possible; broken invariants are no error, they stand in Report.Broken.
func Run(ctx context.Context, opts Options, out io.Writer) (Report, error) {
	opts = opts.withDefaults()
	w := &world{opts: opts, ledger: newLedger(), idle: make(chan *customer, opts.Customers), gate: make(chan struct{}, climbing)}
	for _, target := range opts.Targets {
		api := client.NewAPI(target, opts.Internal)
		defer api.Close()
		w.apis = append(w.apis, api)
	}
	if opts.Verify {
		w.record = oracle.NewRecord()
		w.oracle = oracle.New(w.record, w.apis[0])
		w.oracle.Alone = opts.Alone
	}
	fmt.Fprintf(out, "seed %d: signing in %d mitras and %d customers\n", opts.Seed, opts.Mitras, opts.Customers)
	if err := w.signIn(ctx); err != nil {
		return Report{}, err
	}
	// Clients outlive ctx: when it ends, they still end their sessions and say goodbye.
	clients, cut := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer w.till.errands.Wait()
	defer cut()
	for _, c := range w.clients() {
		running.Go(func() { c.run(clients) })
	}
	progress, stopProgress := context.WithCancel(clients)
	running.Go(func() { w.showProgress(progress, out) })
	err := w.play(ctx)
	if err == nil {
		w.windDown(ctx)
	}
	stopProgress()
	cut()
	running.Wait()
	if err != nil {
		return Report{}, err
	}
	report := w.report()
	report.print(out)
	return report, nil
}

// play goes from connecting to the end of the load.
func (w *world) play(ctx context.Context) error {
	if err := w.connectAll(ctx); err != nil {
		return err
	}
	w.quiet(ctx)
	for _, m := range w.mitras {
		m.order(m.takeBreaks)
	}
	w.playLoad(ctx)
	return nil
}

// playLoad keeps the load up for its time, or for as long as somebody breaks things.
func (w *world) playLoad(ctx context.Context) {
	defer w.over.Store(true)
	if w.opts.During == nil {
		ctx, cancel := context.WithTimeout(ctx, w.opts.Duration)
		defer cancel()
		w.load(ctx)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var load sync.WaitGroup
	defer load.Wait()
	defer cancel()
	load.Go(func() { w.load(ctx) })
	w.opts.During(ctx, w.oracle)
}

// clients lists the actor of every client.
func (w *world) clients() []*actor {
	var list []*actor
	for _, m := range w.mitras {
		list = append(list, &m.actor)
	}
	for _, c := range w.customers {
		list = append(list, &c.actor)
	}
	return list
}

// connectTimeout bounds how long all clients may take to get their first welcome, besides a second for each thousand.
const connectTimeout = time.Minute

// connectAll waits until every client is welcomed and every mitra online.
func (w *world) connectAll(ctx context.Context) error {
	all := w.clients()
	limit := time.NewTimer(connectTimeout + time.Duration(len(all))*time.Millisecond)
	defer limit.Stop()
	for i, c := range all {
		select {
		case <-c.ready:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.left:
			return fmt.Errorf("a socket was turned away: %s; does another simulation use the same gateways?", c.lastTrouble())
		case <-limit.C:
			return fmt.Errorf("only %d of %d sockets came up: %s; look at the gateways' logs, or try fewer", i, len(all), c.lastTrouble())
		}
	}
	return nil
}

// load asks for pairings at the rate that was asked for, until ctx ends. A request that finds every customer busy is skipped, and
// counted.
func (w *world) load(ctx context.Context) {
	pause := time.Duration(float64(time.Second) / w.opts.PairingsPerSecond)
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		for ; !next.After(time.Now()); next = next.Add(pause) {
			due := next
			select {
			case c := <-w.idle:
				c.order(func() { c.request(due) })
			default:
				w.meters.skipped.Add(1)
			}
		}
		timer.Reset(time.Until(next))
	}
}

// windDown lets customers end what they have, has everything verified, then sends everybody home. Who is not done in time is cut
// off.
func (w *world) windDown(ctx context.Context) {
	for _, c := range w.customers {
		c.order(c.finish)
	}
	limit := time.After(w.opts.WindDown)
	for _, c := range w.customers {
		select {
		case <-c.done:
			continue
		case <-c.left:
			continue
		case <-limit:
		}
		break
	}
	w.verify(ctx)
	limit = time.After(w.opts.WindDown)
	for _, c := range w.customers {
		c.order(c.goodbye)
	}
	for _, c := range w.customers {
		if !c.wait(limit) {
			return
		}
	}
	spread := time.Duration(len(w.mitras)) * time.Second / leavingRate
	for _, m := range w.mitras {
		m.order(func() { m.in(m.dice.upTo(spread), m.finish) })
	}
	for _, m := range w.mitras {
		if !m.wait(limit) {
			return
		}
	}
}

// verify has the oracle look at the stores. A run that was broken off is verified all the same.
func (w *world) verify(ctx context.Context) {
	if !w.opts.Verify {
		return
	}
	ctx = context.WithoutCancel(ctx)
	w.verifyPaid(ctx)
	for _, b := range w.oracle.Settled(ctx, w.opts.Settle) {
		w.ledger.breach(Invariant(b.Rule), "%s", b.Detail)
	}
}
