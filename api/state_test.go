package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// Four views of a state machine agree: the table, the chart in docs/states, the CHECK constraint of
// the schema, and what Apply does. Set COX_REWRITE=1 to write the charts anew.

func chart[S ~string](noun string, states []S, canStep func(a, b S) bool, ended func(S) bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# States of a %s\n\nGenerated from `api/%s_state.go` by `go test ./api`; "+
		"`COX_REWRITE=1` writes it anew.\n\n```mermaid\nstateDiagram-v2\n    [*] --> %s\n", noun, noun, states[0])
	for _, from := range states {
		for _, to := range states {
			if canStep(from, to) {
				fmt.Fprintf(&b, "    %s --> %s\n", from, to)
			}
		}
		if ended(from) {
			fmt.Fprintf(&b, "    %s --> [*]\n", from)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

func requireChart(t *testing.T, noun, want string) {
	t.Helper()
	path := filepath.Join("..", "docs", "states", noun+".md")
	if os.Getenv("COX_REWRITE") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run COX_REWRITE=1 go test ./api")
}

// requireCheck reads the states named in the CHECK of a table's state column.
func requireCheck[S ~string](t *testing.T, table string, states []S) {
	t.Helper()
	sql, err := os.ReadFile(filepath.Join("..", "migrations", "0001_init.sql"))
	require.NoError(t, err)
	body := regexp.MustCompile(`(?s)CREATE TABLE ` + table + ` \(.*?\n\)`).Find(sql)
	list := regexp.MustCompile(`(?s)CHECK \(state IN \((.*?)\)\)`).FindSubmatch(body)
	require.NotNil(t, list, table)
	var got []S
	for _, m := range regexp.MustCompile(`'(\w+)'`).FindAllSubmatch(list[1], -1) {
		got = append(got, S(m[1]))
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(states))
	require.Equal(t, want, got)
}

func TestJobStatesAgree(t *testing.T) {
	t.Parallel()
	requireChart(t, "job", chart("job", api.JobStates(), api.JobState.CanStep, api.JobState.Ended))
	requireCheck(t, "job", api.JobStates())
}

func TestPodStatesAgree(t *testing.T) {
	t.Parallel()
	requireChart(t, "pod", chart("pod", api.PodStates(), api.PodState.CanStep, api.PodState.Ended))
	requireCheck(t, "pod", api.PodStates())
}

func TestPodApplyTakesEveryAllowedStepAndNoOther(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, from := range api.PodStates() {
		for _, to := range api.PodStates() {
			p := api.Pod{State: from}
			next, err := p.Apply(api.PodEvent{State: to, At: at, Exit: &api.PodExit{Code: 1}})
			switch {
			case from == to:
				require.NoError(t, err)
				require.Equal(t, p, next, "a repeated event changes nothing")
			case !from.CanStep(to):
				require.Equal(t, api.CodeStaleAttempt, api.CodeOf(err), "%s to %s", from, to)
				require.Equal(t, p, next)
			default:
				require.NoError(t, err)
				require.Equal(t, to, next.State)
				require.Equal(t, to.Ended(), next.EndedAt != nil)
				require.Equal(t, to == api.PodRunning, next.StartedAt != nil)
			}
		}
	}
}

func TestTheEndOfATaskIsThatOfItsLastPod(t *testing.T) {
	t.Parallel()
	same := map[api.PodState]bool{
		api.PodCompleted: true, api.PodFailed: true, api.PodTimeout: true, api.PodOutOfMemory: true,
		api.PodCancelled: true, api.PodNodeFailed: true,
	}
	others := map[api.PodState]api.JobState{
		api.PodPreempted: api.JobCancelled, api.PodShimLost: api.JobNodeFailed, api.PodRefused: api.JobNodeFailed,
		api.PodStartFailed: api.JobNodeFailed,
	}
	for _, state := range api.PodStates() {
		if !state.Ended() {
			continue
		}
		if same[state] {
			require.Equal(t, string(state), string(state.TaskEnd()))
			continue
		}
		require.Equal(t, others[state], state.TaskEnd(), state)
	}
}
