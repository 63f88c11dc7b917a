// Package step makes a pod ready to start, and removes what it left: a visible list of steps, run
// in order and undone in reverse, each in a file of its own.
//
// Words: Prepare does a step's work for one pod and adds to its Spec, which the runtime then starts.
// Cleanup removes what Prepare made. It needs only the pod's name and class, so that a restarted
// kubelet can clean up after one that was killed at any point, and it may be called for a pod that
// was never prepared. A Failure ends the attempt and says whose fault that is; a Delay tries the
// start again later; any other error counts as the node's fault.
//
// Steps run before the user's first instruction and touch nothing on the user's own paths: those
// are opened by the shim with the user's rights.
package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Pod is a pod on its way to a start. The steps fill in the second half.
type Pod struct {
	Assignment api.PodAssignment
	Template   api.KubeletTemplate
	// Node is the node's name, Hostname the machine's.
	Node string
	// StartAt is the time of the start, for the variables that tell it.
	StartAt time.Time

	// Owner is the identity to run as, with home and shell filled in.
	Owner api.Identity
	// Scratch is the pod's own temporary directory, Script the batch script in the spool.
	Scratch string
	Script  string
	// Spec is what the runtime starts.
	Spec shimapi.Spec
}

// Role is the role that the pod plays.
func (p *Pod) Role() (api.Role, error) {
	roles := p.Template.Spec.Roles
	if p.Template.Role < 0 || p.Template.Role >= len(roles) {
		return api.Role{}, fmt.Errorf("the template of pod %s has no role %d", p.Assignment.Key, p.Template.Role)
	}
	return roles[p.Template.Role], nil
}

// Main is the main container. Check proves that there is one.
func (p *Pod) Main() api.Container {
	role, err := p.Role()
	if err != nil {
		return api.Container{}
	}
	return role.Template.Main()
}

// CgroupPod is the name of a pod's control group.
func CgroupPod(a api.PodAssignment) cgroup.Pod {
	class := a.Class
	if class == "" {
		class = api.ClassBurstable
	}
	instance := a.Key
	instance.Attempt = 0
	name := instance.PathName()
	return cgroup.Pod{Class: string(class), ID: name[:len(name)-len("-0")], Attempt: int(a.Key.Attempt)}
}

// Step is one thing to do before a start and to undo after the end.
type Step interface {
	// Name is a snake_case word for logs.
	Name() string
	// Prepare is called once for each start, after the steps before it. It may fill p.
	Prepare(ctx context.Context, p *Pod) error
	// Cleanup is called at least once after the pod's end, also when Prepare failed or never ran,
	// and must be idempotent. No process of the pod is left then.
	Cleanup(ctx context.Context, a api.PodAssignment) error
}

// Failure ends an attempt before its start.
type Failure struct {
	State   api.PodState
	Reason  api.Reason
	Message string
}

// Error gives the sentence.
func (f *Failure) Error() string { return f.Message }

// Delay asks to try the start again later: it is nobody's fault and no failure of the job.
type Delay struct {
	Reason  api.Reason
	Message string
	After   time.Duration
}

// Error gives the sentence.
func (d *Delay) Error() string { return d.Message }

// FailureOf turns any error of a step into the end of the attempt. What is not known better is the
// node's fault: the job goes elsewhere.
func FailureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{State: api.PodStartFailed, Reason: api.ReasonNode, Message: err.Error()}
}

// List is steps in order.
type List []Step

// Prepare runs the steps until one fails. The caller cleans up in any case.
func (l List) Prepare(ctx context.Context, p *Pod) error {
	for _, s := range l {
		if err := s.Prepare(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", s.Name(), err)
		}
	}
	return nil
}

// Cleanup undoes the steps in reverse. It tries all of them and returns every error.
func (l List) Cleanup(ctx context.Context, a api.PodAssignment) error {
	var errs []error
	for i := range l {
		s := l[len(l)-1-i]
		if err := s.Cleanup(ctx, a); err != nil {
			errs = append(errs, fmt.Errorf("clean up %s of pod %s: %w", s.Name(), a.Key, err))
		}
	}
	return errors.Join(errs...)
}

// Options are what the steps of a node share.
type Options struct {
	Cgroups cgroup.Driver
	Names   Names
	// UIDFloor is the lowest uid that pods may run as; 0 allows root.
	UIDFloor int64
	// SelfUID is the kubelet's own effective uid: an unprivileged kubelet runs its own user's pods.
	SelfUID int
	// SpoolDir and ScratchDir hold a directory for each pod. Users must be able to pass through
	// the directories above them.
	SpoolDir, ScratchDir string
}

// Default is the list of a node with the process runtime, in order.
func Default(o Options) List {
	return List{
		Identity{Names: o.Names, Floor: o.UIDFloor, Self: o.SelfUID},
		Cgroup{Driver: o.Cgroups},
		Scratch{Dir: o.ScratchDir, Chown: o.SelfUID == 0},
		Spool{Dir: o.SpoolDir, Chown: o.SelfUID == 0},
		Command{},
		Environment{},
	}
}
