package cgroup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Fake is a driver in memory, for tests of the kubelet and for the simulator. Nothing is enforced;
// limits and members are what the test reads and writes.
type Fake struct {
	mu   sync.Mutex
	pods map[Pod]*FakeGroup
	info Info
}

// FakeGroup is one pod's group in memory.
type FakeGroup struct {
	Limits  Limits
	Leaves  []string
	Members int // processes; Kill sets it to 0
	Usage   shimapi.Usage
}

var _ Driver = (*Fake)(nil)

// NewFake gives an empty fake that reports info.
func NewFake(info Info) *Fake { return &Fake{pods: map[Pod]*FakeGroup{}, info: info} }

// Info returns what NewFake was given.
func (f *Fake) Info() Info { return f.info }

// Group changes a group under the fake's lock, and reports whether it exists.
func (f *Fake) Group(pod Pod, change func(*FakeGroup)) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	group, ok := f.pods[pod]
	if ok {
		change(group)
	}
	return ok
}

// Create remembers the limits.
func (f *Fake) Create(pod Pod, limits Limits) error {
	if err := pod.Validate(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.pods[pod]; ok {
		return fmt.Errorf("create group of pod %s attempt %d: %w", pod.ID, pod.Attempt, ErrExists)
	}
	f.pods[pod] = &FakeGroup{Limits: limits}
	return nil
}

// Leaf remembers the leaf. There is nothing to join.
func (f *Fake) Leaf(pod Pod, leaf string) (shimapi.Cgroup, error) {
	if err := validLeaf(leaf); err != nil {
		return shimapi.Cgroup{}, err
	}
	ok := f.Group(pod, func(g *FakeGroup) {
		if !slices.Contains(g.Leaves, leaf) {
			g.Leaves = append(g.Leaves, leaf)
		}
	})
	if !ok {
		return shimapi.Cgroup{}, fmt.Errorf("%w: %s", ErrNotFound, pod.dirName())
	}
	return shimapi.Cgroup{}, nil
}

// Paths is empty.
func (f *Fake) Paths(Pod) shimapi.Cgroup { return shimapi.Cgroup{} }

// Shims is empty.
func (f *Fake) Shims() (shimapi.Cgroup, error) { return shimapi.Cgroup{}, nil }

// Kill empties the group.
func (f *Fake) Kill(_ context.Context, pod Pod) error {
	if err := pod.Validate(); err != nil {
		return err
	}
	f.Group(pod, func(g *FakeGroup) { g.Members = 0 })
	return nil
}

// WaitEmpty doesn't wait: it fails if there are members.
func (f *Fake) WaitEmpty(_ context.Context, pod Pod) error {
	members := 0
	f.Group(pod, func(g *FakeGroup) { members = g.Members })
	if members > 0 {
		return fmt.Errorf("%w: %s", ErrBusy, pod.dirName())
	}
	return nil
}

// Remove forgets an empty group.
func (f *Fake) Remove(ctx context.Context, pod Pod) error {
	if err := pod.Validate(); err != nil {
		return err
	}
	if err := f.WaitEmpty(ctx, pod); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pods, pod)
	return nil
}

// Usage returns what the test set.
func (f *Fake) Usage(pod Pod) (shimapi.Usage, error) {
	var usage shimapi.Usage
	if !f.Group(pod, func(g *FakeGroup) { usage = g.Usage }) {
		return usage, fmt.Errorf("%w: %s", ErrNotFound, pod.dirName())
	}
	return usage, nil
}

// List gives the groups, sorted.
func (f *Fake) List() ([]Pod, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Keys(f.pods), comparePods), nil
}

// Prune has nothing to do.
func (f *Fake) Prune() error { return nil }
