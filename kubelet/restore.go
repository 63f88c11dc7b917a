package kubelet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/checkpoint"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

// restore finds the pods of the kubelet before this one. It runs before the agent's goroutine.
func (a *agent) restore() error {
	records, broken, err := a.store.Load()
	if err != nil {
		return err
	}
	for _, b := range broken {
		if _, err := os.Stat(filepath.Join(b.Dir, shimapi.SpecFile)); errors.Is(err, os.ErrNotExist) {
			// Cut in the middle of its making: nothing was started here yet.
			if err := os.RemoveAll(b.Dir); err != nil {
				return fmt.Errorf("remove an unfinished record: %w", err)
			}
			continue
		}
		// Written by a newer kubelet, or cut by a full disk. Nothing may be killed or removed on a
		// guess; whoever started it can still stop it by its deadline.
		a.log.Error("a pod's record can't be read", slog.String("dir", b.Dir), slog.Any("error", b.Err))
	}
	for _, r := range records {
		a.readopt(r)
	}
	return nil
}

// readopt takes one pod back. Until its shim has answered, the pod counts as starting: it has its
// room in the books, and nothing is decided about it.
func (a *agent) readopt(r checkpoint.Record) {
	p := &pod{record: r, onDisk: true, Pod: reconcile.Pod{
		Assignment: r.Assignment, Epoch: r.Epoch, Phase: reconcile.PhaseStarting,
	}}
	a.pods[r.Assignment.Key] = p
	if r.BootID != a.bootID {
		a.afterBoot(p)
		return
	}
	a.beside(func(ctx context.Context) { a.adopt(ctx, p, r.Assignment) })
}

// adopt asks the shim of a pod until it answers: one that is itself stopped must not keep the
// kubelet from its other pods. A start that still hangs after the time of a start is given up.
func (a *agent) adopt(ctx context.Context, p *pod, assignment api.PodAssignment) {
	since := a.clock.Boot()
	for failures := 1; ctx.Err() == nil; failures++ {
		state, err := a.runtime.Adopt(ctx, a.ref(assignment))
		switch {
		case errors.Is(err, runtime.ErrNeverStarted):
			// The kubelet died between its record and the start: as if it had never come to this pod. The
			// store may have given the pod up meanwhile, so what the steps made goes at once.
			a.cleanup(ctx, assignment)
			a.untilDone(ctx, "remove an unused record", a.ref(assignment), func() error {
				return a.store.Remove(assignment.Key)
			})
			a.post(func() { delete(a.pods, assignment.Key) })
			return
		case errors.Is(err, runtime.ErrLost):
			a.bury(ctx, p, assignment, err)
			return
		case err == nil:
			a.log.InfoContext(ctx, "adopted", slog.String("pod", assignment.Key.String()),
				slog.String("phase", string(state.Phase)))
			if state.StartedUnixNS != 0 {
				a.post(func() { a.started(p, unixTime(state.StartedUnixNS)) })
			}
			a.follow(ctx, p, assignment)
			return
		case a.clock.Boot()-since > startTimeout:
			a.failed(ctx, p, assignment, err)
			return
		}
		a.log.ErrorContext(ctx, "a pod's shim does not answer", slog.String("pod", assignment.Key.String()),
			slog.Any("error", err))
		_ = clock.Sleep(ctx, a.clock, min(retry.Min<<min(failures, 6), retry.Max)) // ends with ctx
	}
}

// bury kills what a lost shim left, and reports it.
func (a *agent) bury(ctx context.Context, p *pod, assignment api.PodAssignment, err error) {
	a.kill(ctx, a.ref(assignment))
	report := a.lostReport(assignment.Key, err)
	a.cleanup(ctx, assignment)
	a.post(func() {
		a.ended(p, report)
		a.cleanedUp(p)
	})
}

// afterBoot ends a pod that ran before the machine was booted: by its record if it has one.
func (a *agent) afterBoot(p *pod) {
	key := p.Assignment.Key
	if record, err := shim.ReadExit(a.store.Dir(key)); err == nil {
		a.ended(p, endOf(key, record, nil))
	} else {
		a.ended(p, api.PodReport{
			Key: key, State: api.PodNodeFailed, At: a.clock.Now(),
			Exit: &api.PodExit{
				Reason: api.ReasonNodeLost, Message: "the node was booted while the pod ran",
				Usage: api.Usage{Missing: []string{"cpu_seconds", "peak_memory_bytes", "elapsed_seconds"}},
			},
		})
	}
	assignment := p.Assignment
	a.beside(func(ctx context.Context) {
		a.cleanup(ctx, assignment)
		a.post(func() { a.cleanedUp(p) })
	})
}

// sweep removes what a kubelet left that died in the middle of a start or a clean-up: groups, scripts
// and temporary directories of pods that have no directory.
func (a *agent) sweep(ctx context.Context, node step.Options) error {
	known := map[string]bool{}
	entries, err := os.ReadDir(filepath.Dir(a.store.Dir(api.PodKey{})))
	if err != nil {
		return fmt.Errorf("list the pods on disk: %w", err)
	}
	for _, e := range entries {
		known[e.Name()] = true
	}
	errs := []error{a.sweepGroups(ctx, node, known)}
	for _, dir := range []string{node.SpoolDir, node.ScratchDir} {
		errs = append(errs, a.sweepDir(dir, known))
	}
	return errors.Join(errs...)
}

func (a *agent) sweepGroups(ctx context.Context, node step.Options, known map[string]bool) error {
	groups, err := node.Cgroups.List()
	if err != nil {
		return fmt.Errorf("list the pods' control groups: %w", err)
	}
	var errs []error
	for _, g := range groups {
		if known[fmt.Sprintf("%s-%d", g.ID, g.Attempt)] {
			continue
		}
		a.log.WarnContext(ctx, "removing a control group that no pod owns", slog.String("group", g.ID),
			slog.Int("attempt", g.Attempt))
		if err := node.Cgroups.Kill(ctx, g); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, node.Cgroups.Remove(ctx, g))
	}
	return errors.Join(errs...)
}

func (a *agent) sweepDir(dir string, known map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	var errs []error
	for _, e := range entries {
		if podName.MatchString(e.Name()) && !known[e.Name()] {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// bootIDFile is where the kernel says which boot this is, seenBootFile where we keep the last one.
const (
	bootIDFile   = "/proc/sys/kernel/random/boot_id"
	seenBootFile = "boot_id"
)

// readBoot reads the machine's boot id, and says whether it was booted since we looked last. A new
// state directory has seen no boot and lost nothing.
func readBoot(stateDir string) (id string, rebooted bool, err error) {
	data, err := os.ReadFile(bootIDFile)
	if err != nil {
		return "", false, fmt.Errorf("read the boot id: %w", err)
	}
	id = strings.TrimSpace(string(data))
	seen, err := os.ReadFile(filepath.Join(stateDir, seenBootFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", false, fmt.Errorf("read the last boot id: %w", err)
	}
	last := strings.TrimSpace(string(seen))
	return id, last != "" && last != id, nil
}
