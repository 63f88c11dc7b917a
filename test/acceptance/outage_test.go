package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// awayFor is longer than the time after which a silent node is suspect.
const awayFor = 50 * time.Second

// postgresProcesses are the database's main process and all that it has forked.
func postgresProcesses(t *testing.T, c *cluster.Cluster) []int {
	t.Helper()
	main := c.Child("postgres")
	require.NotZero(t, main)
	list := []int{main}
	for _, pid := range cluster.Processes() {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[1] == strconv.Itoa(main) {
			list = append(list, pid)
		}
	}
	return list
}

func signalAll(t *testing.T, pids []int, s syscall.Signal) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil {
			require.ErrorIs(t, err, syscall.ESRCH)
		}
	}
}

// watched is a buffer that can be read while a program writes to it.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// The database stops answering: commands wait and say so, a job doesn't notice, no node is given up.
func TestDatabaseAway(t *testing.T) {
	c := ownCluster(t, cluster.Options{})
	me := alice.at(t, c, alice.home())
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	asked := []string{"submit", "--parsable", "--mem=30M", "-t", "5", "-o", "/dev/null"}
	id := strings.TrimSpace(me.cox(append(asked, "-J", "unaware",
		"--wrap", "echo begun > begun; sleep 8; echo done > unaware; exit 5")...))
	exists := func(name string) func() (bool, error) {
		return func() (bool, error) {
			_, err := os.Stat(filepath.Join(me.dir, name))
			return err == nil, nil
		}
	}
	require.NoError(t, cluster.Until(ctx, exists("begun")))

	stopped := postgresProcesses(t, c)
	signalAll(t, stopped, syscall.SIGSTOP)
	defer signalAll(t, stopped, syscall.SIGCONT)
	began := time.Now()

	var out, said watched
	submit := me.command(ctx, binary(), append(asked, "-J", "patient", "--wrap", "true")...)
	submit.Stdout, submit.Stderr = &out, &said
	require.NoError(t, submit.Start())
	require.NoError(t, cluster.Until(ctx, func() (bool, error) {
		return strings.Contains(said.String(), "waiting for the server"), nil
	}), "a command that waits says so; it said %q", said.String())
	require.NoError(t, cluster.Until(ctx, exists("unaware")), "the job goes on")
	require.NoError(t, cluster.Until(ctx, func() (bool, error) { return time.Since(began) > awayFor, nil }))
	signalAll(t, stopped, syscall.SIGCONT)

	require.NoError(t, submit.Wait(), said.String())
	later := strings.TrimSpace(out.String())
	me.do(binary(), "wait", later)
	r := me.try(binary(), "wait", id)
	require.Equal(t, 5, r.code, "the true exit code: %s", r.err)
	var jobs []struct {
		Job      api.Job `json:"job"`
		Attempts int     `json:"attempts"`
	}
	require.NoError(t, json.Unmarshal([]byte(me.cox("history", "-o", "json")), &jobs))
	require.Len(t, jobs, 2, "a repeated submit is one job")
	for _, j := range jobs {
		require.Equal(t, 1, j.Attempts, j.Job.Spec.Name)
	}
	require.Contains(t, me.cox("nodes"), "ready")
	require.NotContains(t, c.Log(), "node changed state")
}
