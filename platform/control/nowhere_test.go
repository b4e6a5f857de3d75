package control

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// requireNowhere looks for a secret in the text of every row of every table.
func requireNowhere(t *testing.T, b *bench, value string) {
	t.Helper()
	pool := b.store.Pool()
	rows, err := pool.Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		var n int
		err := pool.QueryRow(t.Context(), fmt.Sprintf("SELECT count(*) FROM %q r WHERE position($1 IN r::text) > 0", table), value).Scan(&n)
		require.NoError(t, err)
		require.Zero(t, n, "the table %s holds %q", table, value)
	}
}
