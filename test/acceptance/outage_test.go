package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
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

// outage is how long the database is away: longer than the time after which a silent node is suspect.
// An outage beyond giveUp also shows how a command fails that has waited for as long as it does.
var outage = flag.Duration("outage", 50*time.Second, "how long TestDatabaseAway stops the database")

// giveUp is when a command has given up for certain: it waits for two minutes.
const giveUp = 140 * time.Second

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
	t.Parallel()
	c := ownCluster(t, cluster.Options{})
	me := alice.at(t, c, alice.home())
	ctx, cancel := context.WithTimeout(t.Context(), *outage+patience)
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
	ended := make(chan error, 1)
	go func() { ended <- submit.Wait() }()
	require.NoError(t, cluster.Until(ctx, func() (bool, error) {
		return strings.Contains(said.String(), "waiting for the server"), nil
	}), "a command that waits says so; it said %q", said.String())
	require.NoError(t, cluster.Until(ctx, exists("unaware")), "the job goes on")
	require.NoError(t, cluster.Until(ctx, func() (bool, error) { return time.Since(began) > *outage, nil }))
	gaveUp := *outage > giveUp
	require.Equal(t, gaveUp, len(ended) == 1, "it waits for two minutes; it said %q", said.String())
	signalAll(t, stopped, syscall.SIGCONT)

	err := <-ended
	if gaveUp {
		require.Equal(t, 5, submit.ProcessState.ExitCode(), said.String())
		require.Contains(t, said.String(), "database can't be reached")
		require.Empty(t, out.String())
	} else {
		require.NoError(t, err, said.String())
		me.do(binary(), "wait", strings.TrimSpace(out.String()))
	}
	r := me.try(binary(), "wait", id)
	require.Equal(t, 5, r.code, "the true exit code: %s", r.err)
	var jobs []struct {
		Job      api.Job `json:"job"`
		Attempts int     `json:"attempts"`
	}
	require.NoError(t, json.Unmarshal([]byte(me.cox("history", "-o", "json")), &jobs))
	require.LessOrEqual(t, len(jobs), 2, "a repeated submit is one job")
	require.True(t, gaveUp || len(jobs) == 2, "what was acknowledged is there")
	for _, j := range jobs {
		require.Equal(t, 1, j.Attempts, j.Job.Spec.Name)
	}
	require.Contains(t, me.cox("nodes"), "ready")
	require.NotContains(t, c.Log(), "node changed state")
}
