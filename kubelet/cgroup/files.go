package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup/podgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

const dirMode = 0o755

// hierarchy is one v1 mount.
type hierarchy struct {
	controller string
	mount      string
	base       string // <mount>/<root>/<node>
	limiter    limiter
	alias      bool // shares its directory with one before it
}

// files is the driver over real cgroup file systems.
type files struct {
	mode          Mode
	v1            []hierarchy
	unified       string   // base in the cgroup2 tree, or empty
	unifiedMount  string   // where that tree is mounted
	v2Controllers []string // enabled below unified
	roots         []string // our top directories, to be pruned
	missing       map[string]string
	info          Info

	// making is held while a group is made, and on first use the levels above it: a group below a level
	// that is not set up yet would get no CPUs, or no controllers, from it.
	making sync.Mutex
}

var _ Driver = (*files)(nil)

// Info returns what Detect found.
func (d *files) Info() Info { return d.info }

// bases lists the distinct base directories; the tracker comes last, so that a group that it shows
// is complete.
func (d *files) bases() []string {
	var out []string
	for _, h := range d.v1 {
		if !h.alias {
			out = append(out, h.base)
		}
	}
	if d.unified != "" {
		out = append(out, d.unified)
	}
	return out
}

func (p Pod) below(base string) string { return filepath.Join(base, p.Class, p.dirName()) }

// Create makes the group in every hierarchy and sets its limits.
func (d *files) Create(pod Pod, limits Limits) error {
	if err := pod.Validate(); err != nil {
		return err
	}
	var made []string
	err := d.create(pod, limits, &made)
	if err == nil {
		return nil
	}
	for _, dir := range slices.Backward(made) {
		err = errors.Join(err, os.Remove(dir))
	}
	return fmt.Errorf("create group of pod %s attempt %d: %w", pod.ID, pod.Attempt, err)
}

func (d *files) create(pod Pod, limits Limits, made *[]string) error {
	for _, h := range d.v1 {
		if h.controller == "cpuset" && limits.CPUSet == "" {
			continue // saves four writes at each start; processes stay where the kubelet runs
		}
		dir := pod.below(h.base)
		if !h.alias {
			if err := d.makeV1(h, dir, limits.CPUSet); err != nil {
				return err
			}
			*made = append(*made, dir)
		}
		if err := limitV1(h, dir, limits); err != nil {
			return err
		}
	}
	if d.unified == "" {
		return nil
	}
	dir := pod.below(d.unified)
	if err := d.makeV2(dir); err != nil {
		return err
	}
	*made = append(*made, dir)
	return d.limitV2(dir, limits)
}

// mkdir makes one group; prepare makes its parents if they are missing.
func (d *files) mkdir(dir string, prepare func() error) error {
	d.making.Lock()
	defer d.making.Unlock()
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := prepare(); err != nil {
			return err
		}
		err = os.Mkdir(dir, dirMode)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, dir)
	}
	return err
}

// Leaf makes a leaf in each hierarchy that the pod has.
func (d *files) Leaf(pod Pod, leaf string) (shimapi.Cgroup, error) {
	if err := errors.Join(pod.Validate(), validLeaf(leaf)); err != nil {
		return shimapi.Cgroup{}, err
	}
	paths, err := d.leaf(pod, leaf)
	if err != nil {
		return shimapi.Cgroup{}, fmt.Errorf("make leaf %s of pod %s: %w", leaf, pod.ID, err)
	}
	return paths, nil
}

func (d *files) leaf(pod Pod, leaf string) (shimapi.Cgroup, error) {
	paths := d.Paths(pod)
	for _, h := range d.v1 {
		dir := filepath.Join(pod.below(h.base), leaf)
		if h.alias {
			continue
		}
		switch err := makeLeafV1(h, dir); {
		case h.controller == "cpuset" && errors.Is(err, fs.ErrNotExist):
			continue // the pod has no cpuset
		case errors.Is(err, fs.ErrNotExist):
			return paths, fmt.Errorf("%w: %s", ErrNotFound, filepath.Dir(dir))
		case err != nil:
			return paths, err
		}
		paths.Tasks = append(paths.Tasks, filepath.Join(dir, "tasks"))
	}
	if d.unified == "" {
		return paths, nil
	}
	dir := filepath.Join(pod.below(d.unified), leaf)
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		return paths, fmt.Errorf("%w: %s", ErrNotFound, filepath.Dir(dir))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return paths, err
	}
	paths.TrackerLeaf = dir
	return paths, nil
}

// Paths names the pod's groups.
func (d *files) Paths(pod Pod) shimapi.Cgroup {
	var c shimapi.Cgroup
	for _, h := range d.v1 {
		dir := pod.below(h.base)
		switch h.controller {
		case "memory":
			c.MemoryV1 = dir
		case "cpuacct":
			c.CPUAcct = dir
		case "freezer":
			c.Freezer = dir
		case "pids":
			c.PidsDir = dir
		}
	}
	if d.unified == "" {
		return c
	}
	c.Tracker = pod.below(d.unified)
	if slices.Contains(d.v2Controllers, "memory") {
		c.MemoryV2 = c.Tracker
	}
	if slices.Contains(d.v2Controllers, "pids") {
		c.PidsDir = c.Tracker
	}
	return c
}

// Shims makes the shims' group.
func (d *files) Shims() (shimapi.Cgroup, error) {
	var c shimapi.Cgroup
	for _, h := range d.v1 {
		if h.alias {
			continue
		}
		// In the cpuset too: a shim visits its pod's and must have a place to come back to.
		dir := filepath.Join(h.base, shimsDir)
		if err := prepareV1(h, dir); err != nil {
			return c, fmt.Errorf("make the shims' group: %w", err)
		}
		c.Tasks = append(c.Tasks, filepath.Join(dir, "tasks"))
	}
	if d.unified == "" {
		return c, nil
	}
	c.TrackerLeaf = filepath.Join(d.unified, shimsDir)
	if err := os.MkdirAll(c.TrackerLeaf, dirMode); err != nil {
		return c, fmt.Errorf("make the shims' group: %w", err)
	}
	return c, nil
}

// Kill kills by membership.
func (d *files) Kill(ctx context.Context, pod Pod) error {
	if err := pod.Validate(); err != nil {
		return err
	}
	return podgroup.KillAndWait(ctx, d.Paths(pod))
}

// WaitEmpty waits by membership.
func (d *files) WaitEmpty(ctx context.Context, pod Pod) error {
	if err := pod.Validate(); err != nil {
		return err
	}
	return podgroup.WaitEmpty(ctx, d.Paths(pod))
}

// Usage measures the pod.
func (d *files) Usage(pod Pod) (shimapi.Usage, error) {
	if err := pod.Validate(); err != nil {
		return shimapi.Usage{}, err
	}
	usage, err := podgroup.Usage(d.Paths(pod))
	if errors.Is(err, fs.ErrNotExist) {
		return usage, fmt.Errorf("%w: %s", ErrNotFound, pod.dirName())
	}
	return usage, err
}
