package kubelet

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// signalBase is added to a signal's number for an exit code, as shells do.
const signalBase = 128

const mib = 1 << 20

// endOf turns the shim's record into what the store hears. Stop is the order that the pod was given,
// if any: its reason is more exact than the shim's word.
func endOf(key api.PodKey, rec shimapi.ExitRecord, stop *api.PodStop) api.PodReport {
	state, reason, message := verdict(rec)
	if stop != nil && stop.State == state {
		reason = stop.Reason
	}
	exit := &api.PodExit{Code: rec.ExitCode, Signal: rec.Signal, Reason: reason, Message: message, Usage: usageOf(rec)}
	if rec.Signal != 0 {
		exit.Code = signalBase + rec.Signal
	}
	report := api.PodReport{Key: key, State: state, At: unixTime(rec.EndedUnixNS), Exit: exit}
	if rec.StartedUnixNS != 0 {
		started := unixTime(rec.StartedUnixNS)
		report.StartedAt = &started
	}
	return report
}

func unixTime(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// verdict is the state that a pod ends in, and why.
func verdict(rec shimapi.ExitRecord) (api.PodState, api.Reason, string) {
	switch rec.Reason {
	case shimapi.ReasonExited:
		if rec.ExitCode == 0 {
			return api.PodCompleted, api.ReasonNone, ""
		}
		return api.PodFailed, api.ReasonExitCode, fmt.Sprintf("ended with exit code %d", rec.ExitCode)
	case shimapi.ReasonSignaled:
		return api.PodFailed, api.ReasonSignal, "killed by signal " + signalName(rec.Signal)
	case shimapi.ReasonTimeout:
		return api.PodTimeout, api.ReasonTimeLimit, "stopped at its time limit"
	case shimapi.ReasonOutOfMemory:
		return api.PodOutOfMemory, api.ReasonOutOfMemory, memorySentence(rec)
	case shimapi.ReasonLeaseExpired:
		return api.PodNodeFailed, api.ReasonLease, "stopped itself: the node could not renew its lease"
	case shimapi.ReasonDetached:
		return api.PodCancelled, api.ReasonCancelled, "stopped: the attached client went away"
	case shimapi.ReasonStartFailed:
		return startVerdict(rec.Start)
	case shimapi.ReasonShimLost:
		return api.PodShimLost, api.ReasonShimLost, "its processes were killed by the node"
	}
	return stopVerdict(rec.Reason)
}

func signalName(number int) string {
	if name := unix.SignalName(unix.Signal(number)); name != "" {
		return fmt.Sprintf("%d (%s)", number, name)
	}
	return strconv.Itoa(number)
}

// memorySentence says how much of how much: the kernel's peak may lie a page below the limit.
func memorySentence(rec shimapi.ExitRecord) string {
	limit := rec.MemoryBytes
	if limit == 0 {
		return fmt.Sprintf("killed at %d MiB: the node ran out of memory", rec.Usage.MemoryPeak/mib)
	}
	peak := rec.Usage.MemoryPeak
	if peak == 0 {
		peak = limit
	}
	return fmt.Sprintf("killed at %d of %d MiB", (peak+mib/2)/mib, (limit+mib/2)/mib)
}

// startReasons name what the user can mend.
var startReasons = map[shimapi.Step]api.Reason{
	shimapi.StepWorkdir: api.ReasonWorkingDir,
	shimapi.StepStdin:   api.ReasonInput,
	shimapi.StepStdout:  api.ReasonOutput,
	shimapi.StepStderr:  api.ReasonOutput,
	shimapi.StepExec:    api.ReasonCommand,
}

func startVerdict(e *shimapi.StartError) (api.PodState, api.Reason, string) {
	switch {
	case e == nil:
		return api.PodStartFailed, api.ReasonNode, "the start failed on the node"
	case e.User && startReasons[e.Step] != "":
		return api.PodFailed, startReasons[e.Step], e.Message
	}
	return api.PodStartFailed, api.ReasonNode, e.Message
}

// stopVerdict reads the reason that the agent itself gave with a stop: the state to end in.
func stopVerdict(reason shimapi.Reason) (api.PodState, api.Reason, string) {
	switch state := api.PodState(reason); state { //nolint:exhaustive // a stop has two reasons
	case api.PodCancelled:
		return state, api.ReasonCancelled, "cancelled"
	case api.PodPreempted:
		return state, api.ReasonPreempted, "stopped for another job or a requeue"
	default:
		if state.Ended() {
			return state, api.ReasonNone, "stopped"
		}
		return api.PodFailed, api.ReasonNone, fmt.Sprintf("ended: %s", reason)
	}
}

// usageOf is the usage in the units of the API. The peak is the larger of what was sampled over all
// processes and what the kernel says of the largest one: a peak between two samples is not lost.
func usageOf(rec shimapi.ExitRecord) api.Usage {
	u := rec.Usage
	out := api.Usage{
		CPUSeconds:       seconds(u.CPUNS),
		CPUUserSeconds:   seconds(u.CPUUserNS),
		CPUSystemSeconds: seconds(u.CPUSystemNS),
		PeakMemoryBytes:  max(u.RSSPeakBytes, u.MaxProcessRSS),
	}
	if rec.Reason == shimapi.ReasonOutOfMemory {
		out.PeakMemoryBytes = max(out.PeakMemoryBytes, min(u.MemoryPeak, rec.MemoryBytes))
	}
	if rec.MemoryBytes > 0 {
		// A process's own figure has pages of shared files that count elsewhere.
		out.PeakMemoryBytes = min(out.PeakMemoryBytes, rec.MemoryBytes)
	}
	if rec.StartedBoottimeNS != 0 {
		out.ElapsedSeconds = seconds(rec.EndedBoottimeNS - rec.StartedBoottimeNS)
		if out.PeakMemoryBytes == 0 {
			out.Missing = append(out.Missing, "peak_memory_bytes")
		}
		if u.CPUNS == 0 {
			out.Missing = append(out.Missing, "cpu_seconds")
		}
	}
	return out
}

func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }
