package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestIDs(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(context.Background(), pgtest.URL(t))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	id := core.NewID[core.MitraID]()
	var back, none core.MitraID
	var isnull bool
	require.NoError(t, conn.QueryRow(context.Background(), `select $1::uuid, null::uuid, $2::uuid is null`, id, core.MitraID{}).Scan(&back, &none, &isnull))
	require.Equal(t, id, back)
	require.True(t, none.IsZero())
	require.True(t, isnull)
	ids := []core.MitraID{id, core.NewID[core.MitraID]()}
	var got []core.MitraID
	require.NoError(t, conn.QueryRow(context.Background(), `select $1::uuid[]`, ids).Scan(&got))
	require.Equal(t, ids, got)
}
