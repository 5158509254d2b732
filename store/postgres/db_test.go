package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestOpen_ErrMalformedAddress(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "postgres://user:secret@host:port/x", postgres.Options{})
	require.ErrorContains(t, err, "DATABASE_URL")
	require.NotContains(t, err.Error(), "secret")
}

func TestUnavailable_NobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	db := pgtest.Open(t, "postgres://x@"+address+"/x", postgres.Options{})
	code(t, db.Ping(t.Context()), core.Unavailable)
	_, err = db.Pairing().Accept(t.Context(), core.NewID[core.OfferID](), core.NewID[core.MitraID](), 1)
	code(t, err, core.Unavailable)
	_, err = db.Presence().Connect(t.Context(), core.NewID[core.MitraID]())
	code(t, err, core.Unavailable)
	require.EqualValues(t, 3, db.Stats().Unavailable)
	require.Equal(t, core.DefaultSettings(), db.Settings().Current())
}

// Somebody sits on the session's lock: the caller hears within the call's time, and its statement does not go on waiting.
func TestUnavailable_LockIsHeldTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.starts()
	holder, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer holder.Close(context.Background())
	tx, err := holder.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select from chat_sessions where id = $1 for update`, s.ID)
	require.NoError(t, err)

	began := time.Now()
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
	code(t, err, core.Unavailable)
	require.Less(t, time.Since(began), 4*time.Second)
	eventually(t, 2*time.Second, func() bool {
		return value[int](w, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) == 0
	}, "the statement was cancelled there, too")
	require.NoError(t, tx.Rollback(t.Context()))
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
	require.NoError(t, err)
}

func TestInTx_DeadlockIsRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.mitra(), w.mitra()
	var (
		both    sync.WaitGroup
		arrived atomic.Int32
		met     = make(chan struct{}) // each has its first lock before either asks for its second
	)
	lock := func(first, second core.MitraID) {
		tries := 0
		err := w.db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
			tries++
			if _, err := tx.Exec(ctx, `update mitras set version = version + 1 where id = $1`, first); err != nil {
				return err
			}
			if tries == 1 && arrived.Add(1) == 2 {
				close(met)
			}
			<-met
			_, err := tx.Exec(ctx, `update mitras set version = version + 1 where id = $1`, second)
			return err
		})
		require.NoError(t, err)
	}
	both.Go(func() { lock(a, b) })
	both.Go(func() { lock(b, a) })
	both.Wait()
	require.Equal(t, 6, value[int](w, `select sum(version)::int from mitras`))
	require.NotZero(t, w.db.Stats().Retries)
}

func TestInTx_LostRacesAreRetriedThreeTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tries := 0
	err := w.db.InTx(t.Context(), func(context.Context, pgx.Tx) error { tries++; return postgres.ErrAgain })
	code(t, err, core.Unavailable)
	require.Equal(t, 4, tries)
	tries = 0
	boom := errors.New("boom")
	err = w.db.InTx(t.Context(), func(context.Context, pgx.Tx) error { tries++; return boom })
	require.ErrorIs(t, err, boom)
	require.Equal(t, 1, tries)
}

func TestMigrate_TwiceAndAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { require.NoError(t, postgres.Migrate(t.Context(), w.url, slog.New(slog.DiscardHandler))) })
	}
	all.Wait()
	require.NoError(t, w.db.CheckSchema(t.Context()))
}

func TestCheckSchema_RefusesOlderToleratesNewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into goose_db_version (version_id, is_applied) values (99999, true)`)
	require.NoError(t, w.db.CheckSchema(t.Context()))
	w.exec(`delete from goose_db_version where version_id > 0`)
	require.ErrorContains(t, w.db.CheckSchema(t.Context()), "bestie migrate")
	w.exec(`drop table goose_db_version`)
	require.ErrorContains(t, w.db.CheckSchema(t.Context()), "bestie migrate")
}

// What the code guards is guarded by the schema once more.
func TestSchema_Constraints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.starts()
	w.exec(`update mitras set display_name = 'other' where id = $1`, w.mitra())
	for name, sql := range map[string]string{
		"a status that is none":       `update chat_sessions set status = 'lost'`,
		"active without an end":       `update chat_sessions set ends_at = null`,
		"active without a mitra":      `update chat_sessions set mitra_id = null`,
		"over without a reason":       `update chat_sessions set status = 'ended'`,
		"a reason while it goes on":   `update chat_sessions set end_reason = 'customer'`,
		"searching with a mitra":      `update chat_sessions set status = 'searching'`,
		"a negative price":            `update chat_sessions set price = -1`,
		"two winners":                 `insert into session_offers (id, session_id, mitra_id, wave, status, expires_at, closed_at) select gen_random_uuid(), session_id, (select id from mitras where display_name = 'other'), 1, 'accepted', now(), now() from session_offers`,
		"the same session twice":      `insert into session_offers (id, session_id, mitra_id, wave, expires_at) select gen_random_uuid(), session_id, mitra_id, 2, now() from session_offers`,
		"an open offer that is over":  `update session_offers set status = 'offered'`,
		"a mode that is none":         `update mitras set mode = 'away'`,
		"is_online by hand":           `update mitras set is_online = false`,
		"a capacity beyond its bound": `update mitras set max_capacity = 11`,
		"two mitras with one phone":   `update mitras set phone = '+6281234567890'`,
		"a second live session":       `insert into chat_sessions (id, customer_id, package_id, status, duration_minutes, price, search_deadline_at, waiting) select gen_random_uuid(), customer_id, package_id, 'searching', 1, 0, now(), true from chat_sessions`,
	} {
		_, err := w.sql.Exec(t.Context(), sql)
		require.Error(t, err, name)
	}
	require.Equal(t, chat.Active, s.Status)
	require.Equal(t, "online", w.mode(m))
}
