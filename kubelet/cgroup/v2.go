package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/cgroups/v3/cgroup2"
)

// v2Wanted are the controllers that we enable.
func v2Wanted() []string { return []string{"cpu", "cpuset", "memory", "pids"} }

// enableV2 switches our controllers on for the children of every level from top to base, one by
// one, so that a missing one costs only itself.
func (d *files) enableV2(top, base string) {
	for _, controller := range v2Wanted() {
		if err := enableController(controller, top, base); err != nil {
			d.missing[controller] = err.Error()
			continue
		}
		d.v2Controllers = append(d.v2Controllers, controller)
	}
}

func enableController(controller, top, base string) error {
	available, err := os.ReadFile(filepath.Join(top, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read the controllers of %s: %w", top, err)
	}
	if !slices.Contains(strings.Fields(string(available)), controller) {
		return fmt.Errorf("the %s controller is not available in %s", controller, top)
	}
	for _, dir := range levels(top, base) {
		if err := subtreeControl(dir, controller); err != nil {
			return err
		}
	}
	return nil
}

// levels lists the directories from top down to base.
func levels(top, base string) []string {
	var out []string
	for dir := base; len(dir) >= len(top); dir = filepath.Dir(dir) {
		out = append(out, dir)
		if dir == top {
			break
		}
	}
	slices.Reverse(out)
	return out
}

func subtreeControl(dir, controller string) error {
	path := filepath.Join(dir, "cgroup.subtree_control")
	enabled, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if slices.Contains(strings.Fields(string(enabled)), controller) {
		return nil
	}
	if err := write(path, "+"+controller); err != nil {
		return fmt.Errorf("enable %s (a group with processes of its own can't pass controllers on): %w",
			controller, err)
	}
	return nil
}

// makeV2 makes a pod's directory in the cgroup2 tree, and the class above it on first use.
func (d *files) makeV2(dir string) error {
	class := filepath.Dir(dir)
	return d.mkdir(dir, func() error {
		if err := os.MkdirAll(class, dirMode); err != nil {
			return err
		}
		for _, controller := range d.v2Controllers {
			// The base is prepared again: it may have been pruned since Detect.
			for _, level := range []string{filepath.Dir(filepath.Dir(class)), filepath.Dir(class), class} {
				if err := subtreeControl(level, controller); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// limitV2 writes a pod's limits. On a hybrid node the tree has no controllers and takes none.
func (d *files) limitV2(dir string, l Limits) error {
	below, err := filepath.Rel(d.unifiedMount, dir)
	if err != nil {
		return err
	}
	group, err := cgroup2.Load("/"+below, cgroup2.WithMountpoint(d.unifiedMount))
	if err != nil {
		return err
	}
	// The file is missing where the kernel accounts no swap.
	withSwap := exists(filepath.Join(dir, "memory.swap.max"))
	if err := group.Update(resourcesV2(l, d.v2Controllers, withSwap)); err != nil {
		return fmt.Errorf("set the limits: %w", err)
	}
	return nil
}

// resourcesV2 is what the limits mean on v2, as far as there are controllers for them. What is 0 stays
// as the kernel makes it.
func resourcesV2(l Limits, controllers []string, withSwap bool) *cgroup2.Resources {
	has := func(controller string) bool { return slices.Contains(controllers, controller) }
	r := &cgroup2.Resources{CPU: &cgroup2.CPU{}}
	if has("cpu") && l.CPUMillis > 0 {
		quota, period := quotaUS(l.CPUMillis), uint64(cpuPeriodUS)
		r.CPU.Max = cgroup2.NewCPUMax(&quota, &period)
	}
	if has("cpu") && l.CPUWeight > 0 {
		weight := uint64(l.CPUWeight)
		r.CPU.Weight = &weight
	}
	if has("cpuset") {
		r.CPU.Cpus = l.CPUSet
	}
	if has("memory") && l.MemoryBytes > 0 {
		r.Memory = &cgroup2.Memory{Max: &l.MemoryBytes}
		if withSwap {
			// The limit is on memory and swap together: what doesn't fit is killed, as on v1.
			r.Memory.Swap = new(int64)
		}
	}
	if has("pids") && l.PidsMax > 0 {
		r.Pids = &cgroup2.Pids{Max: l.PidsMax}
	}
	return r
}
