// Package crash kills the parts of a real cluster at seeded moments and looks at what its jobs say.
package crash

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/test/cluster"
)

var (
	kills = flag.Int("kills", 12, "how many kill points")
	seed  = flag.Uint64("seed", 1, "seed of the kill points")
)

// arrayTasks are the tasks of one array; when all have finished and kills are left, another one follows.
const arrayTasks = 50

// settleMax bounds the wait for the array after the last kill.
const settleMax = 3 * time.Minute

// markScript writes a line when it starts and one when it finishes, each with its attempt.
const markScript = `#!/bin/sh
echo "start $COX_ATTEMPT" >> "$1/$SLURM_ARRAY_TASK_ID"
sleep 0.4
echo "finish $COX_ATTEMPT" >> "$1/$SLURM_ARRAY_TASK_ID"
`

func start(t *testing.T) *cluster.Cluster {
	t.Helper()
	bin := filepath.Join("..", "..", "bin", "cox")
	_, err := os.Stat(bin)
	require.NoError(t, err, "run `make build` first")
	bin, err = filepath.Abs(bin)
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "cox-crash-") //nolint:usetesting // a short path that others may enter
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	c, err := cluster.Start(t.Context(), cluster.Options{Cox: bin, Dir: dir, Args: []string{"--allow-root-jobs"}})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Log())
		}
		c.Stop()
		_ = os.RemoveAll(dir)
	})
	return c
}

func submit(t *testing.T, c *cluster.Cluster, script string, tasks int, args ...string) api.JobID {
	t.Helper()
	cl := newClient(t, c)
	ask := api.Resources{CPUMillis: 200, MemoryBytes: 64 << 20}
	job, err := cl.SubmitJob(t.Context(), api.JobSubmit{
		RequestID: uuid.NewString(), // so that it may be repeated when the database goes away under it
		Spec: api.JobSpec{
			Name: "marks", Array: fmt.Sprintf("0-%d", tasks-1), TimeLimitSeconds: 300,
			Roles: []api.Role{{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{{
				Name: "main", Main: true, Args: args, WorkingDir: "/", Stdout: "/dev/null", Umask: 0o22,
				Requests: ask, Limits: api.Resources{CPUMillis: 1000, MemoryBytes: 64 << 20},
			}}}}},
		},
		Payload: api.Payload{Script: []byte(script)},
	})
	require.NoError(t, err)
	return job.ID
}

func newClient(t *testing.T, c *cluster.Cluster) *client.Client {
	t.Helper()
	cl, err := client.New(client.Options{Server: "unix://" + c.Socket})
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

func waitEnded(t *testing.T, c *cluster.Cluster, id api.JobID) api.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleMax)
	defer cancel()
	var job api.Job
	err := newClient(t, c).WaitJob(ctx, id, func(j api.Job) (bool, error) {
		job = j
		return j.Status.State.Ended(), nil
	})
	require.NoError(t, err, "job %d stayed %+v", id, job.Status)
	return job
}

// TestEveryTaskCompletesOnceUnderKills kills server, kubelet and Postgres with SIGKILL at seeded
// moments while an array runs: every task ends completed, with exactly one attempt by its own marks.
func TestEveryTaskCompletesOnceUnderKills(t *testing.T) {
	c := start(t)
	rng := rand.New(rand.NewPCG(*seed, 0))
	var runs []array
	for i := range *kills {
		if len(runs) == 0 || runs[len(runs)-1].finished(t) {
			runs = append(runs, submitArray(t, c))
		}
		// From right into a recovery to well after it: 50 ms to 3.2 s, each doubling as likely.
		wait := time.Duration(float64(50*time.Millisecond) * math.Exp2(6*rng.Float64()))
		part := []string{"server", "kubelet", "postgres"}[rng.IntN(3)]
		pause(t, wait)
		killed := killPart(t, c, part)
		t.Logf("kill %d: %s (pid %d) after %v", i, part, killed, wait)
	}
	for _, a := range runs {
		a.requireCompletedOnce(t, c)
	}
	t.Logf("%d kills, %d tasks", *kills, len(runs)*arrayTasks)
}

// array is a job whose tasks write marks into a folder.
type array struct {
	job   api.JobID
	marks string
}

func submitArray(t *testing.T, c *cluster.Cluster) array {
	t.Helper()
	marks := t.TempDir()
	return array{job: submit(t, c, markScript, arrayTasks, marks), marks: marks}
}

// finished looks at the marks alone, since the server may be away.
func (a array) finished(t *testing.T) bool {
	t.Helper()
	for i := range arrayTasks {
		text, err := os.ReadFile(a.mark(i))
		if err != nil || !strings.Contains(string(text), "finish") {
			return false
		}
	}
	return true
}

func (a array) mark(task int) string { return filepath.Join(a.marks, strconv.Itoa(task)) }

// requireCompletedOnce: no shim is killed, so only one attempt of a task ever begins.
func (a array) requireCompletedOnce(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	job := waitEnded(t, c, a.job)
	require.Equal(t, api.JobCompleted, job.Status.State, "%+v", job.Status)
	require.EqualValues(t, arrayTasks, job.Status.Counts.Completed)
	for i := range arrayTasks {
		text, err := os.ReadFile(a.mark(i))
		require.NoError(t, err, "task %d left no mark", i)
		// An attempt whose kubelet was killed while it started may have ended before the user's program.
		require.Regexp(t, `^start (\d+)\nfinish \d+\n$`, string(text), "task %d", i)
		began, ended, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		require.Equal(t, strings.TrimPrefix(began, "start "), strings.TrimPrefix(ended, "finish "), "task %d", i)
	}
	pods, err := newClient(t, c).AllPods(t.Context(), client.PodFilter{Job: a.job}, arrayTasks*10)
	require.NoError(t, err)
	completed := map[int64]int{}
	for _, p := range pods {
		if p.State == api.PodCompleted {
			completed[p.Key.Index]++
		}
	}
	require.Len(t, completed, arrayTasks)
	for index, n := range completed {
		require.Equal(t, 1, n, "task %d completed %d times", index, n)
	}
}

// pause waits on a timer: the moment of a kill is the point of the test, there is nothing to wait for.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// killPart kills one process of the cluster, waiting for it to be there first (cox up may just be
// starting it again).
func killPart(t *testing.T, c *cluster.Cluster, part string) int {
	t.Helper()
	words := map[string][]string{
		"server": {"cox", "server"}, "kubelet": {"cox", "kubelet"}, "postgres": {"postgres", "-D"},
	}[part]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var pid int
	err := cluster.Until(ctx, func() (bool, error) {
		pid = c.Child(words...)
		return pid != 0, nil
	})
	require.NoError(t, err, "no %s came back", part)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	return pid
}

// TestAKilledShimIsReportedAndItsTaskRequeued kills one shim: exactly its task gets a second attempt.
func TestAKilledShimIsReportedAndItsTaskRequeued(t *testing.T) {
	c := start(t)
	marks := t.TempDir()
	const tasks = 4
	id := submit(t, c, strings.Replace(markScript, "sleep 0.4", "sleep 3", 1), tasks, marks)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, cluster.Until(ctx, func() (bool, error) {
		started, _ := filepath.Glob(filepath.Join(marks, "*"))
		return len(started) == tasks, nil
	}))
	victim := shimOf(t, c, fmt.Sprintf("%d_2-1", id))
	require.NoError(t, syscall.Kill(victim, syscall.SIGKILL))
	job := waitEnded(t, c, id)
	require.Equal(t, api.JobCompleted, job.Status.State, "%+v", job.Status)
	pods, err := newClient(t, c).AllPods(t.Context(), client.PodFilter{Job: id}, 100)
	require.NoError(t, err)
	for _, p := range pods {
		switch {
		case p.Key.Index == 2 && p.Key.Attempt == 1:
			require.Equal(t, api.PodShimLost, p.State)
		default:
			require.Equal(t, api.PodCompleted, p.State, "%s", p.Key)
			require.Equal(t, p.Key.Index == 2, p.Key.Attempt == 2, "%s", p.Key)
		}
	}
	require.Len(t, pods, tasks+1)
}

// shimOf finds the process id of the shim that owns a pod, by the state that it wrote.
func shimOf(t *testing.T, c *cluster.Cluster, pod string) int {
	t.Helper()
	var state struct {
		Shim struct {
			PID int `json:"pid"`
		} `json:"shim"`
	}
	text, err := os.ReadFile(filepath.Join(c.Dir, "kubelet", "pods", pod, "state.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &state))
	require.Positive(t, state.Shim.PID)
	return state.Shim.PID
}
