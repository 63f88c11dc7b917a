package cgroup

import (
	"context"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Failing is a driver whose every operation fails with Err, to test what the kubelet does then.
type Failing struct{ Err error }

var _ Driver = Failing{}

// Info reports no cgroups.
func (f Failing) Info() Info { return Info{Mode: ModeNone} }

// Create fails.
func (f Failing) Create(Pod, Limits) error { return f.Err }

// Leaf fails.
func (f Failing) Leaf(Pod, string) (shimapi.Cgroup, error) { return shimapi.Cgroup{}, f.Err }

// Paths is empty; it can't fail.
func (f Failing) Paths(Pod) shimapi.Cgroup { return shimapi.Cgroup{} }

// Shims fails.
func (f Failing) Shims() (shimapi.Cgroup, error) { return shimapi.Cgroup{}, f.Err }

// Kill fails.
func (f Failing) Kill(context.Context, Pod) error { return f.Err }

// WaitEmpty fails.
func (f Failing) WaitEmpty(context.Context, Pod) error { return f.Err }

// Remove fails.
func (f Failing) Remove(context.Context, Pod) error { return f.Err }

// Usage fails.
func (f Failing) Usage(Pod) (shimapi.Usage, error) { return shimapi.Usage{}, f.Err }

// List fails.
func (f Failing) List() ([]Pod, error) { return nil, f.Err }

// Prune fails.
func (f Failing) Prune() error { return f.Err }
