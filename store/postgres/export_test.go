package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
)

// HotStatements are those that run all the time, with parameters of the right types, for tests of their plans.
func HotStatements(id any) map[string][]any {
	ids := []any{id}
	none := []string{}
	return map[string][]any{
		"due":                {dueSQL, 100},
		"live":               {liveSQL, ids, ids},
		"open offers":        {openOffersSQL, ids},
		"expire offers":      {expireOffersSQL, 100, nil},
		"expire a session":   {expireOffersSQL, 100, id},
		"claim events":       {claimSQL, 100},
		"read events":        {sinceSQL, "3 seconds"},
		"waiting":            {waitingSQL},
		"oldest waiting":     {oldestWaitingSQL, id, 5},
		"find available":     {findAvailableSQL, "45 seconds", 1, none, 5},
		"candidates":         {candidatesSQL, ids, id, 1},
		"hold":               {holdSQL, id},
		"lock leaving":       {lockLeavingSQL, ids},
		"lock acceptance":    {lockAcceptanceSQL, id, id, 1},
		"settle offers":      {settleOffersSQL, id, id, id, true},
		"release":            {releaseSQL, id, 1},
		"withdraw":           {withdrawSQL, ids},
		"end starved waves":  {endStarvedSQL, ids, []int{1}},
		"mitras":             {mitraSQL + `where m.id = any($2)`, 1, ids},
		"connect":            {connectSQL, ids},
		"session":            {readSessionSQL, id},
		"receipts of offers": {receivedSQL, ids, ids},
		"claim payments":     {claimPaymentsSQL, 16, "30 seconds"},
		"claim refunds":      {claimRefundsSQL, 16, "30 seconds"},
		"lock a bill":        {lockBillSQL, id},
		"payment opened":     {openedSQL, id, "fake", "ps-1", "https://", time.Now(), "15 seconds"},
		"credit":             {creditSQL, id, 1, "operator", nil, nil, nil, nil, ""},
		"unhandled":          {unhandledSQL, "5 seconds", 16},
		"absent mitras":      {absentSQL, "2 minutes"},
		"start when paid": {
			startPaidSQL, id, "active", "pending_payment", "system", nil, "paid", "", id, int64(1), "fake", "ps-1", "py-1", "pr-1", nil, "started", false,
		},
		"extend when paid": {
			extendPaidSQL, id, "active", "active", "system", nil, "extended", "", id, int64(1), "fake", "ps-1", "py-1", "pr-1", nil, "extended", false, id, 60,
		},
		"reroute":        {rerouteSQL, id, "searching", "active", "customer", id, "reroute", "", "2 minutes"},
		"open invoice":   {openInvoiceSQL, id, "pending_payment", "searching", "mitra", id, "accepted", "", id, "5 minutes", int64(0), id},
		"close invoices": {closeInvoicesSQL, id, "expired", "expired"},
		"start":          {startSQL, id, "active", "searching", "mitra", id, "accepted", "", id, int64(0)},
		"take offers":    {takeOffersSQL, 50},
		"claim pushes":   {claimPushesSQL, 50, "6 seconds"},
		"settle pushes":  {settlePushesSQL, []int64{1}, []int64{2}, []string{"1 second"}, []string{"x"}},
	}
}

// Clean deletes everything that is past its time, now.
func (db *DB) Clean(ctx context.Context) error {
	errs := []error{db.clean(ctx, eventRetention)}
	for _, r := range otherRetentions {
		errs = append(errs, db.clean(ctx, r))
	}
	return errors.Join(errs...)
}

// InTx runs f as a use case would be run.
func (db *DB) InTx(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) error {
	return db.inTx(ctx, "test", func(ctx context.Context, t *tx) error { return f(ctx, t) })
}

// ErrAgain is what a use case returns that lost a race.
var ErrAgain = errAgain

// AddCustomer makes a customer.
func (db *DB) AddCustomer(ctx context.Context, id core.CustomerID) error {
	return db.within(ctx, "add customer", func(ctx context.Context) error {
		_, err := db.pool.Exec(ctx, `insert into customers (id) values ($1)`, id)
		return err
	})
}

// OffersOf lists the offers of a session by mitra.
func (db *DB) OffersOf(ctx context.Context, id core.SessionID) (map[core.MitraID]core.OfferID, error) {
	offers := map[core.MitraID]core.OfferID{}
	err := db.within(ctx, "offers of a session", func(ctx context.Context) error {
		rows, err := db.pool.Query(ctx, `-- of a test
			select mitra_id, id from session_offers where session_id = $1`, id)
		if err != nil {
			return err
		}
		var mitra core.MitraID
		var offer core.OfferID
		_, err = pgx.ForEachRow(rows, []any{&mitra, &offer}, func() error { offers[mitra] = offer; return nil })
		return err
	})
	return offers, err
}
