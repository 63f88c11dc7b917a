package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// total is what all instances of one role set ask for, once over the job's roles.
func total(job api.Job) api.Resources {
	var sum api.Resources
	for _, role := range job.Spec.Roles {
		for _, c := range role.Template.Containers {
			for range role.Count {
				sum = sum.Add(c.Requests)
			}
		}
	}
	return sum
}

// memoryCell is the memory that a job asks for; a whole node's has no number.
func memoryCell(job api.Job) string {
	for _, role := range job.Spec.Roles {
		if role.Template.Main().WholeNodeMemory {
			return "node"
		}
	}
	return api.FormatBytes(total(job).MemoryBytes)
}

// elapsed is how long a job runs or ran; zero before its start.
func elapsed(s api.JobStatus, now time.Time) time.Duration {
	if s.StartedAt == nil {
		return 0
	}
	if s.EndedAt != nil {
		now = *s.EndedAt
	}
	return now.Sub(*s.StartedAt)
}

func elapsedCell(s api.JobStatus, now time.Time) string {
	if s.StartedAt == nil {
		return output.None
	}
	return output.Duration(elapsed(s, now))
}

func limitCell(seconds int64) string {
	if seconds <= 0 {
		return output.None
	}
	return output.Duration(time.Duration(seconds) * time.Second)
}

// stateColour colours the states of jobs, pods and nodes.
func stateColour(cell string) output.Colour {
	switch cell {
	case string(api.JobRunning), string(api.NodeReady):
		return output.Green
	case string(api.JobPending), string(api.PodBound), string(api.NodeSuspect), "held", "drained":
		return output.Yellow
	case string(api.JobCompleted):
		return ""
	case string(api.JobCancelled), string(api.PodPreempted):
		return output.Dim
	}
	return output.Red
}

// countsCell tells in few words where an array's tasks are: "3 waiting, 2 running, 5/10 done".
func countsCell(c api.JobCounts) string {
	var parts []string
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, strconv.FormatInt(n, 10)+" "+what)
		}
	}
	add(c.Waiting, "waiting")
	add(c.Live, "running")
	if size := c.Waiting + c.Live + c.Done(); c.Done() > 0 {
		parts = append(parts, fmt.Sprintf("%d/%d done", c.Done(), size))
	}
	add(c.Failed, "failed")
	add(c.Timeout, "timeout")
	add(c.OutOfMemory, "out of memory")
	add(c.NodeFailed, "node failed")
	add(c.Cancelled, "cancelled")
	return strings.Join(parts, ", ")
}

// exitCell shows an exit code, or the signal behind it.
func exitCell(exit *api.PodExit) string {
	if exit == nil {
		return output.None
	}
	if exit.Signal != 0 {
		return signalName(exit.Signal)
	}
	return strconv.Itoa(exit.Code)
}

// reasonCell is why a job waits or ended: the sentence if there is one.
func reasonCell(s api.JobStatus) string {
	if s.Message != "" {
		return firstLine(s.Message)
	}
	return output.OrNone(strings.ReplaceAll(string(s.Reason), "_", " "))
}

// jobState is the state, with "held" for a pending job that its user holds.
func jobState(job api.Job) string {
	if job.Spec.Hold && job.Status.State == api.JobPending {
		return "held"
	}
	return string(job.Status.State)
}
