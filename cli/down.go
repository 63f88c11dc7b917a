package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/filelock"
)

const (
	// downMax bounds the wait for a cluster to stop.
	downMax = 2 * time.Minute
	// downPodsMax is how many pods are counted.
	downPodsMax = 100_000
	downPoll    = 50 * time.Millisecond
	// lookBackMax bounds the questions whose answers only the last sentence needs.
	lookBackMax = 3 * time.Second
)

// downFlags are the flags of `cox down`.
type downFlags struct {
	dataDir       string
	force, cancel bool
}

func newDown(a *app) *cobra.Command {
	var d downFlags
	c := &cobra.Command{
		Use: "down", Short: "Stop the cluster that cox up started on this machine", Args: args(cobra.NoArgs),
		Long: "Stop the cluster that `cox up` started on this machine. While jobs run it refuses: --force stops the\n" +
			"cluster and lets them run on (their time limits hold, and the next `cox up` takes them back), --cancel\n" +
			"cancels them first.",
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := upDataDir(d.dataDir, a.Getenv)
			if err != nil {
				return err
			}
			return a.down(c.Context(), d, dir)
		},
	}
	f := c.Flags()
	f.StringVar(&d.dataDir, "data-dir", "", "the data directory of that `cox up`")
	f.BoolVar(&d.force, "force", false, "stop though jobs run; they run on")
	f.BoolVar(&d.cancel, "cancel", false, "cancel the jobs that run first")
	return c
}

func (a *app) down(ctx context.Context, d downFlags, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, downMax,
		api.Errorf(api.CodeUnavailable, "the cluster did not stop within %s", downMax))
	defer cancel()
	owner, err := upRunning(dir)
	if err != nil {
		return err
	}
	if !d.force {
		if err := a.emptyCluster(ctx, owner, d.cancel); err != nil {
			return err
		}
	}
	left := a.lookBack(ctx, owner)
	if err := syscall.Kill(owner.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return api.Errorf(api.CodeForbidden, "stop process %d: %w", owner.PID, err)
	}
	err = poll(ctx, func() (bool, error) {
		file, ok, err := filelock.Try(filepath.Join(dir, upLockName))
		if ok {
			file.Close() //nolint:errcheck // it was only a question
		}
		return ok, err
	})
	if err != nil {
		return err
	}
	up := "cox up"
	if usual, err := upDataDir("", a.Getenv); err != nil || usual != dir {
		up += " --data-dir " + dir
	}
	return a.say("%s", left.text(dir, up))
}

// remains is what a cluster leaves behind.
type remains struct {
	cluster string
	jobs    int64
}

// lookBack asks a cluster that is about to stop. One that does not answer stops all the same.
func (a *app) lookBack(ctx context.Context, owner upOwner) (left remains) {
	cl, err := client.New(client.Options{
		Server: "unix://" + owner.Socket, RetryFor: -1, UserAgent: "cox/" + Version,
	})
	if err != nil {
		return left
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, lookBackMax)
	defer cancel()
	if v, err := cl.Version(ctx); err == nil {
		left.cluster = v.Cluster
	}
	if running, err := livePods(ctx, cl); err == nil {
		left.jobs = int64(len(running))
	}
	return left
}

func (r remains) text(dir, up string) string {
	who := "The cluster"
	if r.cluster != "" {
		who = "Cluster " + r.cluster
	}
	jobs := ""
	switch {
	case r.jobs == 1:
		jobs = " 1 job runs on."
	case r.jobs > 1:
		jobs = fmt.Sprintf(" %d jobs run on.", r.jobs)
	}
	return fmt.Sprintf("%s is down.%s Its data stays in %s; start it again with `%s`.", who, jobs, dir, up)
}

// upRunning finds the `cox up` on a data directory.
func upRunning(dir string) (upOwner, error) {
	owner, err := readUpLock(dir)
	if err == nil {
		file, free, err := filelock.Try(filepath.Join(dir, upLockName))
		if free {
			file.Close() //nolint:errcheck // it was only a question
		} else if err == nil {
			return owner, nil
		}
	}
	return upOwner{}, api.Errorf(api.CodeNotFound, "no cox up runs on %s (--data-dir names another directory)", dir)
}

// emptyCluster makes sure that nothing runs.
func (a *app) emptyCluster(ctx context.Context, owner upOwner, cancelJobs bool) error {
	cl, err := client.New(client.Options{Server: "unix://" + owner.Socket, Notify: a.note, UserAgent: "cox/" + Version})
	if err != nil {
		return err
	}
	defer cl.Close()
	running, err := livePods(ctx, cl)
	if err != nil {
		return fmt.Errorf("ask what runs (--force stops anyway): %w", err)
	}
	if len(running) == 0 {
		return nil
	}
	if !cancelJobs {
		return api.Errorf(api.CodeLimit,
			"still running: %s of %s; wait, or stop with --cancel (cancels them) or --force (they run on)",
			plural(int64(podCount(running)), "pod"), plural(int64(len(running)), "job"))
	}
	for id := range running {
		if err := cl.CancelJob(ctx, id, ""); err != nil && !errors.Is(err, api.ErrEnded) {
			return err
		}
	}
	return poll(ctx, func() (bool, error) {
		left, err := livePods(ctx, cl)
		return len(left) == 0, err
	})
}

// livePods counts the live pods of each job.
func livePods(ctx context.Context, cl *client.Client) (map[api.JobID]int, error) {
	pods, err := cl.AllPods(ctx, client.PodFilter{Live: new(true)}, downPodsMax)
	if err != nil {
		return nil, err
	}
	count := map[api.JobID]int{}
	for _, pod := range pods {
		if !pod.State.Ended() {
			count[pod.Key.Owner]++
		}
	}
	return count, nil
}

func podCount(running map[api.JobID]int) int {
	sum := 0
	for _, n := range running {
		sum += n
	}
	return sum
}

// poll calls f until it says true, fails, or ctx ends.
func poll(ctx context.Context, f func() (bool, error)) error {
	ticker := time.NewTicker(downPoll)
	defer ticker.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
