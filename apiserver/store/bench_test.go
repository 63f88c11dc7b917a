package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

// benchClients is how many clients the number for submissions is meant for.
const benchClients = 16

func benchParams(array string, size int64) store.SubmitParams {
	sp := spec()
	sp.Array = array
	script := make([]byte, 2000)
	environment := make([]string, 60)
	for i := range environment {
		environment[i] = fmt.Sprintf("VARIABLE_%d=/some/path/that/is/as/long/as/usual/%d", i, i)
	}
	return store.SubmitParams{
		Submit: api.JobSubmit{Spec: sp, Payload: api.Payload{Script: script, Environment: environment}},
		Size:   size, Now: noon,
	}
}

// openBench gives a store on a server of its own with fsync on: only that tells about durable work.
func openBench(b *testing.B) *store.Store {
	b.Helper()
	return connect(b, pgtest.Start(b, pgtest.Options{Durable: true}).DSN("postgres"))
}

func BenchmarkSubmit(b *testing.B) {
	s, p := openBench(b), benchParams("", 1)
	var left atomic.Int64
	left.Store(int64(b.N))
	var clients sync.WaitGroup
	b.ResetTimer()
	for range benchClients {
		clients.Go(func() {
			for left.Add(-1) >= 0 {
				if _, _, err := s.SubmitJob(b.Context(), p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
}

func BenchmarkSubmitMillionTasks(b *testing.B) {
	s, p := openBench(b), benchParams("0-999999", 1_000_000)
	for b.Loop() {
		_, _, err := s.SubmitJob(b.Context(), p)
		require.NoError(b, err)
	}
}

// BenchmarkCommit binds, reports and releases 64 tasks of an array a round, as one busy node does.
func BenchmarkCommit(b *testing.B) {
	const tasks = 64
	s := openBench(b)
	ctx := b.Context()
	node, err := s.RegisterNode(ctx, "n1", api.NodeStatus{BootID: "b"}, noon)
	require.NoError(b, err)
	job, _, err := s.SubmitJob(ctx, benchParams("0-999999", 1_000_000))
	require.NoError(b, err)
	term, next, status := lead(b, s), int64(0), job.Status
	status.State, status.StartedAt = api.JobRunning, &status.SubmittedAt
	var bound []api.PodKey
	var commits time.Duration
	for b.Loop() {
		unit := api.JobCommit{
			ID: job.ID, Generation: 1,
			NodeGenerations: map[string]int64{"n1": node.Generation}, Releases: bound,
		}
		first, err := s.TakeIDs(ctx, term, tasks)
		require.NoError(b, err)
		bound = nil
		var reports []api.PodReport
		for i := range int64(tasks) {
			k := api.PodKey{Instance: api.Instance{Owner: job.ID, Index: next}, Attempt: 1}
			unit.Binds = append(unit.Binds, api.Pod{
				Key: k, Ordinal: next, TaskID: first + api.JobID(i), Role: "main", Node: "n1",
				Class: api.ClassGuaranteed,
			})
			reports = append(reports, api.PodReport{
				Key: k, State: api.PodCompleted, At: noon,
				StartedAt: &status.SubmittedAt, Exit: &api.PodExit{},
			})
			bound = append(bound, k)
			next++
		}
		_, status.Waiting = job.Status.Waiting.TakeLowest(next)
		unit.Status = status
		began := time.Now()
		result, err := s.Commit(ctx, term, api.Commit{Jobs: []api.JobCommit{unit}, Now: noon})
		commits += time.Since(began)
		require.NoError(b, err)
		require.Empty(b, result.Refused)
		stale, err := s.ApplyReports(ctx, "n1", reports, noon)
		require.NoError(b, err)
		require.Empty(b, stale)
	}
	b.ReportMetric(float64(tasks*b.N)/b.Elapsed().Seconds(), "tasks/s")
	b.ReportMetric(float64(commits.Microseconds())/float64(b.N), "µs/commit")
}
