package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// clients is how many submit at the same time.
const clients = 16

// noop is the script of the array: a real script with an interpreter.
const noop = "#!/bin/sh\nexit 0\n"

// acceptMillion measures how long a durable submit of a million tasks takes.
func acceptMillion(ctx context.Context, b *bench) error {
	cl, err := b.cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	var took []time.Duration
	for range b.pick(50, 3) {
		j := job("million", []string{"/bin/true"}, "/dev/null")
		j.Spec.Array, j.Spec.Hold = "0-999999", true
		began := time.Now()
		stored, err := cl.SubmitJob(ctx, j)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		if stored.Status.Counts.Waiting != 1_000_000 {
			return fmt.Errorf("job %d has %d waiting tasks", stored.ID, stored.Status.Counts.Waiting)
		}
		if err := cl.CancelJob(ctx, stored.ID, ""); err != nil {
			return err
		}
	}
	b.result("array_million_accept_ms", quantile(took, 0.5), "ms")
	return nil
}

// submissions measures durable single submits per second of 16 clients.
func submissions(ctx context.Context, b *bench) error {
	var rates []float64
	for range b.pick(3, 1) {
		rate, err := submitRate(ctx, b, time.Duration(b.pick(10, 2))*time.Second)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
		if err := cancelAll(ctx, b, "held"); err != nil {
			return err
		}
	}
	b.result("submissions_per_s_16_clients", median(rates), "1/s")
	return nil
}

func submitRate(ctx context.Context, b *bench, lasts time.Duration) (float64, error) {
	var count atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, clients)
	began := time.Now()
	for range clients {
		cl, err := b.cluster.Client()
		if err != nil {
			return 0, err
		}
		group.Go(func() {
			defer cl.Close()
			for time.Since(began) < lasts {
				j := job("held", []string{"/bin/true"}, "/dev/null")
				j.Spec.Hold, j.RequestID = true, uuid.NewString()
				if _, err := cl.SubmitJob(ctx, j); err != nil {
					errs <- err
					return
				}
				count.Add(1)
			}
		})
	}
	group.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
	}
	return float64(count.Load()) / time.Since(began).Seconds(), nil
}

// cancelAll cancels the open jobs of a name, so that sections do not disturb each other.
func cancelAll(ctx context.Context, b *bench, name string) error {
	cl, err := b.cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	open := false
	for {
		page, err := cl.Jobs(ctx, client.JobFilter{Name: name, Ended: &open, Limit: 500})
		if err != nil || len(page.Items) == 0 {
			return err
		}
		for _, j := range page.Items {
			if err := cl.CancelJob(ctx, j.ID, ""); err != nil && api.CodeOf(err) != api.CodeEnded {
				return err
			}
		}
		if err := waitGone(ctx, cl, page.Items[len(page.Items)-1].ID); err != nil {
			return err
		}
	}
}

func waitGone(ctx context.Context, cl *client.Client, id api.JobID) error {
	return cl.WaitJob(ctx, id, func(j api.Job) (bool, error) { return j.Status.State.Ended(), nil })
}

// submitProcesses measures 16 parallel `cox submit` processes.
func submitProcesses(ctx context.Context, b *bench) error {
	n := b.pick(1000, 50)
	script := filepath.Join(b.cluster.Dir, "noop.sh")
	if err := writeScript(script); err != nil {
		return err
	}
	var rates []float64
	for range b.pick(3, 1) {
		cmd := exec.CommandContext(ctx, "xargs", "-P", strconv.Itoa(clients), "-I{}",
			b.cluster.Cox, "submit", "--parsable", "--hold", "--job-name=held", "-t", "10", script, "{}")
		cmd.Env = b.cluster.Command(ctx).Env
		cmd.Stdin = strings.NewReader(numbers(n))
		began := time.Now()
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("cox submit: %w: %s", err, out)
		}
		rates = append(rates, float64(n)/time.Since(began).Seconds())
		if got := strings.Count(string(out), "\n"); got != n {
			return fmt.Errorf("%d submits printed %d ids", n, got)
		}
		if err := cancelAll(ctx, b, "held"); err != nil {
			return err
		}
	}
	b.result("submit_processes_per_s", median(rates), "1/s")
	return nil
}

func numbers(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintln(&text, i)
	}
	return text.String()
}

// tasksOnOneNode measures an array of real scripts on one node, 64 at a time, with every limit and
// the account of each task.
func tasksOnOneNode(ctx context.Context, b *bench) error {
	cl, err := b.cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	n := b.pick(5000, 200)
	var rates []float64
	for range b.pick(3, 1) {
		j := job("tasks", nil, "/dev/null")
		j.Payload.Script = []byte(noop)
		j.Spec.Array = fmt.Sprintf("1-%d%%64", n)
		began := time.Now()
		stored, err := cl.SubmitJob(ctx, j)
		if err != nil {
			return err
		}
		var end api.Job
		err = cl.WaitJob(ctx, stored.ID, func(j api.Job) (bool, error) {
			end = j
			return j.Status.State.Ended(), nil
		})
		if err != nil {
			return err
		}
		took := time.Since(began)
		if end.Status.Counts.Completed != int64(n) {
			return fmt.Errorf("of %d tasks %d completed: %+v", n, end.Status.Counts.Completed, end.Status)
		}
		rates = append(rates, float64(n)/took.Seconds())
		b.note("%d tasks in %.1f s: %.0f/s", n, took.Seconds(), rates[len(rates)-1])
	}
	b.result("tasks_per_s_one_node", median(rates), "1/s")
	return nil
}
