package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "exit-codes.md"))
	require.NoError(t, err)
	var want strings.Builder
	for _, m := range exitTable() {
		fmt.Fprintf(&want, "| %s | %s |\n", m.Code, m.Meaning)
	}
	_, table, ok := strings.Cut(string(text), "|---|---|\n")
	require.True(t, ok)
	require.Equal(t, want.String(), table, "docs/exit-codes.md differs from exitTable")
}

func TestExitCodeOfJobs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state  api.JobState
		reason api.Reason
		code   int
		want   int
	}{
		"completed":          {state: api.JobCompleted, want: 0},
		"own code":           {state: api.JobFailed, code: 9, want: 9},
		"signal":             {state: api.JobFailed, code: 143, want: 143},
		"failed before code": {state: api.JobFailed, reason: api.ReasonWorkingDir, want: 1},
		"no such program":    {state: api.JobFailed, reason: api.ReasonCommand, want: 127},
		"timeout":            {state: api.JobTimeout, code: 143, want: 124},
		"out of memory":      {state: api.JobOutOfMemory, code: 137, want: 137},
		"node lost":          {state: api.JobNodeFailed, want: 123},
		"cancelled":          {state: api.JobCancelled, code: 143, want: 130},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := api.Job{Status: api.JobStatus{State: c.state, Reason: c.reason, ExitCode: c.code}}
			require.Equal(t, c.want, jobExit(job))
		})
	}
}

func TestExitCodeOfErrors(t *testing.T) {
	t.Parallel()
	require.Equal(t, exitNotFound, exitCodeOf(fmt.Errorf("ask: %w", api.ErrNotFound)))
	require.Equal(t, exitUnavailable, exitCodeOf(api.ErrUnavailable))
	require.Equal(t, exitUsage, exitCodeOf(usagef("no")))
	require.Equal(t, exitError, exitCodeOf(os.ErrClosed))
	require.Equal(t, 42, exitCodeOf(statusError{42}))
	require.Equal(t, exitCancelled, exitCodeOf(fmt.Errorf("wait: %w", context.Canceled)))
}

func TestParseJobRefs(t *testing.T) {
	t.Parallel()
	refs, err := parseJobRefs([]string{"41,42_[1-4,7]", "43_2"})
	require.NoError(t, err)
	require.Equal(t, []jobRef{{ID: 41}, {ID: 42, Indices: "1-4,7"}, {ID: 43, Indices: "2"}}, refs)
	require.Equal(t, "42_[1-4,7]", refs[1].String())
	require.Equal(t, "43_2", refs[2].String())
	for _, bad := range []string{"", "x", "42_", "42_x", "0", "-1", "42,"} {
		_, err := parseJobRefs([]string{bad})
		require.Equal(t, api.CodeInvalidID, api.CodeOf(err), "%q", bad)
	}
}

func TestTasksDone(t *testing.T) {
	t.Parallel()
	job := api.Job{ID: 42, Status: api.JobStatus{State: api.JobRunning}}
	released := job.Status.SubmittedAt
	pod := func(index int64, attempt int32, state api.PodState, code int) api.Pod {
		return api.Pod{
			Key:     api.PodKey{Instance: api.Instance{Owner: 42, Index: index}, Attempt: attempt},
			Ordinal: index, State: state, Exit: &api.PodExit{Code: code}, ReleasedAt: &released,
		}
	}
	done := []api.Pod{pod(1, 1, api.PodNodeFailed, 0), pod(1, 2, api.PodCompleted, 0), pod(2, 1, api.PodFailed, 7)}
	code, ok, err := tasksDone(jobRef{ID: 42, Indices: "1-2"}, job, done)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 7, code, "the last attempt of each task counts")

	_, ok, err = tasksDone(jobRef{ID: 42, Indices: "1-3"}, job, done)
	require.NoError(t, err)
	require.False(t, ok, "task 3 has not started")

	job.Status.Waiting = api.RangesOf(api.Range{From: 1, To: 2})
	_, ok, err = tasksDone(jobRef{ID: 42, Indices: "1"}, job, done)
	require.NoError(t, err)
	require.False(t, ok, "task 1 waits for another attempt")
}
