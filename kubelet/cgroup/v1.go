package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/cgroups/v3/cgroup1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// v1 terms.
const (
	cpuPeriodUS     = 100_000 // the kernel's default; quota is measured against it
	cpuQuotaUSMin   = 1_000   // the kernel refuses less
	sharesPerWeight = 1024.0 / 100
	sharesMin       = 2
)

// makeV1 makes a pod's directory, and the class above it on first use.
func (d *files) makeV1(h hierarchy, dir, cpus string) error {
	prepare := func() error { return prepareV1(h, filepath.Dir(dir)) }
	if err := d.mkdir(dir, prepare); err != nil {
		return err
	}
	if h.controller != "cpuset" {
		return nil
	}
	err := fillCPUSet(dir, cpus)
	if err != nil {
		err = errors.Join(err, os.Remove(dir))
	}
	return err
}

// prepareV1 makes the levels from our root to a class, or to the shims' group. Before Linux 5.11 a v1
// memory group counts its children only if it was told so while it had none.
func prepareV1(h hierarchy, class string) error {
	root := filepath.Dir(h.base)
	for _, dir := range []string{root, h.base, class} {
		if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		switch h.controller {
		case "memory":
			if err := useHierarchy(dir); err != nil {
				return err
			}
		case "cpuset":
			if err := fillCPUSet(dir, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func useHierarchy(dir string) error {
	path := filepath.Join(dir, "memory.use_hierarchy")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(data)) == "1" {
		return nil
	}
	if err != nil {
		return err
	}
	return write(path, "1")
}

// makeLeafV1 makes a leaf; one that exists is fine.
func makeLeafV1(h hierarchy, dir string) error {
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if h.controller == "cpuset" {
		return fillCPUSet(dir, "")
	}
	return nil
}

// fillCPUSet gives a v1 cpuset group its CPUs and memory nodes, the parent's where cpus is empty.
// A group where either is empty refuses every process with ENOSPC.
func fillCPUSet(dir, cpus string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value := ""
		if file == "cpuset.cpus" {
			value = cpus
		}
		path := filepath.Join(dir, file)
		if value == "" {
			has, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if strings.TrimSpace(string(has)) != "" {
				continue
			}
			parent, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
			if err != nil {
				return err
			}
			value = strings.TrimSpace(string(parent))
		}
		if err := write(path, value); err != nil {
			return err
		}
	}
	return nil
}

// limiter is the library's writer of one v1 controller's limits, in a group that is there already.
type limiter interface {
	Create(path string, resources *specs.LinuxResources) error
}

// limiterV1 is the limiter of a controller; nil for those without limits.
func limiterV1(controller, mount string) limiter {
	switch controller {
	case "cpu":
		return cgroup1.NewCpu(mount)
	case "memory":
		return cgroup1.NewMemory(mount)
	case "pids":
		return cgroup1.NewPids(mount)
	}
	return nil
}

// limitV1 writes one controller's limits of a pod whose group is there.
func limitV1(h hierarchy, dir string, l Limits) error {
	if h.limiter == nil {
		return nil
	}
	below, err := filepath.Rel(h.mount, dir)
	if err != nil {
		return err
	}
	// The second limit on memory, that with swap, exists only where the kernel accounts swap.
	withSwap := h.controller == "memory" && l.MemoryBytes > 0 &&
		exists(filepath.Join(dir, "memory.memsw.limit_in_bytes"))
	if err := h.limiter.Create(below, resourcesV1(l, withSwap)); err != nil {
		return fmt.Errorf("set the %s limits: %w", h.controller, err)
	}
	return nil
}

// resourcesV1 is what the limits mean on v1. What is 0 stays as the kernel makes it.
func resourcesV1(l Limits, withSwap bool) *specs.LinuxResources {
	r := &specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}}
	if l.CPUWeight > 0 {
		shares := uint64(max(sharesMin, float64(l.CPUWeight)*sharesPerWeight))
		r.CPU.Shares = &shares
	}
	if l.CPUMillis > 0 {
		quota := quotaUS(l.CPUMillis)
		r.CPU.Quota = &quota
	}
	if l.MemoryBytes > 0 {
		r.Memory.Limit = &l.MemoryBytes
		if withSwap {
			r.Memory.Swap = &l.MemoryBytes
		}
	}
	if l.PidsMax > 0 {
		r.Pids = &specs.LinuxPids{Limit: &l.PidsMax}
	}
	return r
}

// quotaUS is the CPU time in one period, in microseconds.
func quotaUS(millis int64) int64 { return max(cpuQuotaUSMin, millis*cpuPeriodUS/1000) }

// write writes to a control file that must exist: in a directory that is no cgroup, creating one
// would look like success.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("set %s to %s: %w", path, value, err)
	}
	return nil
}
