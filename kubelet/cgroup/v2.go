package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	return mkdir(dir, func() error {
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
	for _, s := range settingsV2(l) {
		if !slices.Contains(d.v2Controllers, s.controller) {
			continue
		}
		err := write(filepath.Join(dir, s.file), s.value)
		if s.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type settingV2 struct {
	controller, file, value string
	optional                bool
}

// settingsV2 is what the limits mean on v2.
func settingsV2(l Limits) []settingV2 {
	var out []settingV2
	if l.CPUMillis > 0 {
		quota := fmt.Sprintf("%d %d", quotaUS(l.CPUMillis), cpuPeriodUS)
		out = append(out, settingV2{controller: "cpu", file: "cpu.max", value: quota})
	}
	if l.CPUWeight > 0 {
		weight := strconv.FormatInt(l.CPUWeight, 10)
		out = append(out, settingV2{controller: "cpu", file: "cpu.weight", value: weight})
	}
	if l.CPUSet != "" {
		out = append(out, settingV2{controller: "cpuset", file: "cpuset.cpus", value: l.CPUSet})
	}
	if l.MemoryBytes > 0 {
		bytes := strconv.FormatInt(l.MemoryBytes, 10)
		out = append(out,
			settingV2{controller: "memory", file: "memory.max", value: bytes},
			// The limit is on memory and swap together: what doesn't fit is killed, as on v1. The file
			// is missing where the kernel accounts no swap.
			settingV2{controller: "memory", file: "memory.swap.max", value: "0", optional: true})
	}
	if l.PidsMax > 0 {
		pids := strconv.FormatInt(l.PidsMax, 10)
		out = append(out, settingV2{controller: "pids", file: "pids.max", value: pids})
	}
	return out
}
