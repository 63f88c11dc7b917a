package step

import (
	"context"
	"errors"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
)

// Limits that a pod gets beside those that it asked for.
const (
	// pidsMax bounds the processes and threads of a pod: enough for some thread pools on a large
	// machine, and far below what would stop others from forking (pid_max is 4 million there).
	pidsMax = 16_384
	// weightPerCPU is the CPU weight of one requested CPU: cgroup's own default.
	weightPerCPU = 100
	weightMin    = 1
	weightMax    = 10_000
)

// mainLeaf is the group of the pod's main process.
const mainLeaf = "main"

// Cgroup makes the pod's control group with its limits.
type Cgroup struct{ Driver cgroup.Driver }

// Name implements Step.
func (Cgroup) Name() string { return "cgroup" }

// Prepare implements Step. A group that exists is what an earlier try left: this attempt has no
// process yet, so it is removed first.
func (s Cgroup) Prepare(ctx context.Context, p *Pod) error {
	pod, limits := CgroupPod(p.Assignment), limitsOf(p)
	err := s.Driver.Create(pod, limits)
	if errors.Is(err, cgroup.ErrExists) {
		if err := s.Cleanup(ctx, p.Assignment); err != nil {
			return err
		}
		err = s.Driver.Create(pod, limits)
	}
	if err != nil {
		return err
	}
	p.Spec.Cgroup, err = s.Driver.Leaf(pod, mainLeaf)
	p.Spec.MemoryBytes = limits.MemoryBytes
	return err
}

// limitsOf says what is enforced: guaranteed pods have their own CPUs, which is limit enough;
// others share by what they requested, up to their limit.
func limitsOf(p *Pod) cgroup.Limits {
	main := p.Main()
	out := cgroup.Limits{
		MemoryBytes: main.Limits.MemoryBytes,
		CPUMillis:   main.Limits.CPUMillis,
		CPUSet:      p.Assignment.CPUs,
		CPUWeight:   weightOf(p.Assignment),
		PidsMax:     pidsMax,
	}
	if main.WholeNodeMemory {
		out.MemoryBytes = p.Assignment.Resources.MemoryBytes
	}
	if out.CPUSet != "" {
		out.CPUMillis = 0
	}
	return out
}

func weightOf(a api.PodAssignment) int64 {
	if a.Class == api.ClassBestEffort {
		return weightMin
	}
	return min(max(a.Resources.CPUMillis*weightPerCPU/api.MillisPerCPU, weightMin), weightMax)
}

// Cleanup implements Step. What still runs is killed: nothing of an ended pod may stay.
func (s Cgroup) Cleanup(ctx context.Context, a api.PodAssignment) error {
	pod := CgroupPod(a)
	err := s.Driver.Remove(ctx, pod)
	if !errors.Is(err, cgroup.ErrBusy) {
		return err
	}
	if err := s.Driver.Kill(ctx, pod); err != nil {
		return err
	}
	return s.Driver.Remove(ctx, pod)
}
