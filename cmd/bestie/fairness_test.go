package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// Fifty equal mitras, a thousand requests on two instances, some of them at once: whoever waited longest is asked first, so nobody
// goes short. Candidates come from the mirror, as they do.
func TestFairness(t *testing.T) {
	t.Parallel()
	const mitras, requests, atOnce = 50, 1000, 8
	w := newWorld(t)
	instances := []*instance{w.instance(), w.instance()}
	var apps []*app
	for i := range mitras {
		apps = append(apps, instances[i%2].mitra(fmt.Sprint("Mitra ", i)).connect())
	}
	for _, app := range apps {
		app.do(online())
	}
	require.Eventually(t, func() bool {
		found, err := instances[0].program.presence.FindAvailable(t.Context(), mitras, nil)
		return err == nil && len(found) == mitras
	}, patience, 20*time.Millisecond)

	w.exec(`insert into customers (id) select gen_random_uuid() from generate_series(1, $1)`, requests)
	packs, err := instances[0].program.chat.Packages(t.Context())
	require.NoError(t, err)
	customers := make(chan core.CustomerID, requests)
	for _, id := range pgtest.Value[[]string](t, w.databaseURL, `select array_agg(id::text) from customers`) {
		customers <- core.MustParseID[core.CustomerID](id)
	}
	close(customers)
	var asking sync.WaitGroup
	for i := range atOnce {
		asking.Go(func() {
			room := instances[i%2].program.pairing
			for customer := range customers {
				var s chat.Session
				request := pairing.Request{CustomerID: customer, Key: "k", PackageID: packs[0].ID}
				err := whenThereIsTime(func() (err error) { s, err = room.Request(t.Context(), request); return err })
				if err == nil {
					err = whenThereIsTime(func() error { _, err := room.Cancel(t.Context(), s.ID, customer); return err })
				}
				if err != nil {
					t.Errorf("%v", err)
				}
			}
		})
	}
	asking.Wait()
	least := w.count(`select coalesce(min(n), 0) from (select count(o.id) as n from mitras m left join session_offers o on o.mitra_id = m.id group by m.id) each`)
	all := w.count(`select count(*) from session_offers`)
	require.GreaterOrEqual(t, all, int64(requests), "most requests found somebody")
	require.GreaterOrEqual(t, 2*least*mitras, all, "the least offered had %d of %d", least, all)
	t.Logf("%d offers, the least offered had %d", all, least)
}

// whenThereIsTime does something again for which a store had none.
func whenThereIsTime(do func() error) error {
	for end := time.Now().Add(patience); ; {
		if err := do(); core.CodeOf(err) != core.Unavailable || time.Now().After(end) {
			return err
		}
		<-time.After(askAgain)
	}
}
