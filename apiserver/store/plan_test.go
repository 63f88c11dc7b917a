package store_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// A new cluster's first array runs before the tables have statistics. Looking up some of its pods must
// not read all of them.
func TestPodsAreFoundByTheirKeysWithoutStatistics(t *testing.T) {
	t.Parallel()
	const tasks, lookups = 500, 20
	s, dsn := openDSN(t)
	ctx, term := t.Context(), lead(t, s)
	sp := spec()
	sp.Array = "1-" + strconv.Itoa(tasks)
	unit := bindUnit(submit(t, s, sp))
	one := unit.Binds[0]
	unit.Binds, unit.Status.Counts.Live = nil, tasks
	for i := range int64(tasks) {
		pod := one
		pod.Key.Index, pod.Ordinal, pod.TaskID = i+1, i, one.TaskID+api.JobID(i)
		unit.Binds = append(unit.Binds, pod)
	}
	_, err := s.Commit(ctx, term, api.Commit{Jobs: []api.JobCommit{unit}, Now: noon})
	require.NoError(t, err)
	keys := []api.PodKey{unit.Binds[3].Key, unit.Binds[77].Key}

	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(t, err)
	defer conn.Close(ctx) //nolint:errcheck // the test is over
	read := func() (scans, rows int64) {
		const q = `SELECT sum(idx_scan)::bigint, sum(idx_tup_fetch)::bigint
			FROM pg_stat_user_tables WHERE relname LIKE 'pod%'`
		require.NoError(t, conn.QueryRow(ctx, q).Scan(&scans, &rows))
		return scans, rows
	}
	// Postgres tells such numbers late: those of the commit must not be taken for those of the lookups.
	settled := func() (scans, rows int64) {
		require.Eventually(t, func() bool {
			before := scans
			scans, rows = read()
			return scans > 0 && scans == before
		}, time.Minute, 2*time.Second)
		return scans, rows
	}
	_, err = s.PodsByKeys(ctx, keys)
	require.NoError(t, err)
	scansBefore, rowsBefore := settled()
	for range lookups {
		pods, err := s.PodsByKeys(ctx, keys)
		require.NoError(t, err)
		require.Len(t, pods, len(keys))
		given, err := s.Assignments(ctx, keys)
		require.NoError(t, err)
		require.Len(t, given, len(keys))
	}
	scans, rows := settled()
	require.Greater(t, scans, scansBefore)
	require.LessOrEqual(t, rows-rowsBefore, int64(2*lookups*len(keys)))
}
