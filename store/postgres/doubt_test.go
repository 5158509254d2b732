package postgres_test

import (
	"context"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// atCommit calls do before the next COMMIT is sent, once.
type atCommit struct{ do atomic.Pointer[func()] }

func (a *atCommit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if data.SQL == "commit" {
		if do := a.do.Swap(nil); do != nil {
			(*do)()
		}
	}
	return ctx
}

func (a *atCommit) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// The answer of a COMMIT is lost. The caller cannot be told what happened, but the mirror is.
func TestOnCommit_InDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mitra := w.mitra()
	u, err := url.Parse(w.url)
	require.NoError(t, err)
	proxy, err := fault.Listen(u.Host)
	require.NoError(t, err)
	defer proxy.Close()
	u.Host = proxy.Addr()
	var at atCommit
	db := pgtest.Open(t, u.String(), postgres.Options{Tracer: &at})
	publishes(t, db, &bus{})
	told := make(chan []core.MitraID, 10)
	db.OnCommit(func(events []core.Event, mitras []core.MitraID) {
		if len(events) == 0 {
			told <- mitras
		}
	})
	m, err := db.Presence().Connect(t.Context(), mitra)
	require.NoError(t, err)
	lose := func() { proxy.Set(fault.Mode{LoseAnswers: true}) }
	at.do.Store(&lose)
	_, err = db.Presence().SetMode(t.Context(), mitra, presence.Offline, m.ConnectionEpoch)
	code(t, err, core.Unavailable)
	proxy.Heal()
	require.Equal(t, "offline", w.mode(mitra), "it happened")
	for _, when := range []string{"at once", "and when it could not happen any more"} {
		select {
		case mitras := <-told:
			require.Equal(t, []core.MitraID{mitra}, mitras, when)
		case <-time.After(20 * time.Second):
			require.FailNow(t, "nobody was told", when)
		}
	}
}
