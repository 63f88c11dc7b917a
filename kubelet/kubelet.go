package kubelet

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/checkpoint"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime/process"
	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

// Kubelet is the node agent. Make it with New, run it with Run.
type Kubelet struct{ opts Options }

// New checks the options and touches nothing.
func New(opts Options) (*Kubelet, error) {
	opts = opts.WithDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	return &Kubelet{opts: opts}, nil
}

// Run joins if needed, takes the pods of an earlier run back, and works until ctx ends. The pods run
// on then; the next run finds them.
func (k *Kubelet) Run(ctx context.Context) error {
	opts := k.opts
	if err := makeDirs(opts); err != nil {
		return err
	}
	unlock, err := lock(ctx, opts.Clock, opts.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithCancel(ctx)
	if opts.Dialer == nil {
		credentials, err := credentials(ctx, opts)
		if err != nil {
			cancel()
			return err
		}
		servers := &servers{opts: opts, credentials: credentials}
		opts.Dialer = servers
		go servers.keepFresh(ctx)
	}
	a, node, err := prepare(ctx, opts)
	if err != nil {
		cancel()
		return err
	}
	defer func() {
		cancel()
		a.work.Wait()
		a.runtime.Close()
		prune(context.WithoutCancel(ctx), opts.Clock, node.Cgroups)
	}()
	return a.serve(ctx, node)
}

// serve restores and works.
func (a *agent) serve(ctx context.Context, node step.Options) error {
	if err := a.restore(); err != nil {
		return err
	}
	if err := a.sweep(ctx, node); err != nil {
		// Something that can't be removed must not keep the node from working.
		a.condition(conditionCleanup, err.Error())
	}
	a.beside(a.stay)
	a.beside(a.inspect)
	a.run(ctx)
	return nil
}

// How long the end of a kubelet waits for its own threads to leave the shims' group.
const (
	pruneTries = 10
	prunePause = 5 * time.Millisecond
)

// prune removes our own directories from the control groups where no pod and no shim is left.
func prune(ctx context.Context, c clock.Clock, driver cgroup.Driver) {
	for range pruneTries {
		if driver.Prune() != nil {
			return // what is busy stays for the next run
		}
		_ = clock.Sleep(ctx, c, prunePause) // can't end early
	}
}

// prepare puts an agent together.
func prepare(ctx context.Context, opts Options) (*agent, step.Options, error) {
	store, err := checkpoint.Open(filepath.Join(opts.StateDir, "pods"))
	if err != nil {
		return nil, step.Options{}, err
	}
	bootID, rebooted, err := readBoot(opts.StateDir)
	if err != nil {
		return nil, step.Options{}, err
	}
	driver, err := cgroup.Detect(cgroup.Config{Root: opts.CgroupRoot, Node: opts.Node})
	if err != nil {
		return nil, step.Options{}, fmt.Errorf("look at the node's control groups: %w", err)
	}
	node := step.Options{
		Cgroups: driver, Names: opts.Names, UIDFloor: max(opts.UIDFloor, 0), SelfUID: os.Geteuid(),
		SpoolDir: spoolDir(opts), ScratchDir: scratchDir(opts),
	}
	a := newAgent(ctx, opts, store)
	a.bootID, a.rebooted = bootID, rebooted
	if a.steps = opts.Steps; a.steps == nil {
		a.steps = step.Default(node)
	}
	if err := a.look(ctx, node); err != nil {
		return nil, node, err
	}
	if a.runtime = opts.Runtime; a.runtime == nil {
		if a.runtime, err = newProcessRuntime(opts, driver); err != nil {
			return nil, node, err
		}
	}
	return a, node, nil
}

// look fills in the node's status.
func (a *agent) look(ctx context.Context, node step.Options) error {
	a.status.Inventory.CgroupMode = string(node.Cgroups.Info().Mode)
	inventory, err := a.detect(ctx)
	if err != nil {
		return fmt.Errorf("read the node's inventory: %w", err)
	}
	a.status.Inventory = inventory
	a.limitsMissing(node.Cgroups.Info())
	a.checkDisk()
	if err := reachable(node.SpoolDir); err != nil && node.SelfUID == 0 {
		a.condition(conditionSpool, err.Error())
	}
	return nil
}

func newAgent(ctx context.Context, opts Options, store *checkpoint.Store) *agent {
	return &agent{
		opts: opts, log: opts.Logger.With(slog.String("node", opts.Node)), clock: opts.Clock, store: store, ctx: ctx,
		starts: make(chan struct{}, startsMax),
		cleans: make(chan struct{}, cleanupsMax), mail: make(chan func(), mailMax),
		sessions:   make(chan struct{}, sessionsMax),
		conditions: map[string]api.Condition{}, lost: map[api.PodKey]bool{}, pods: map[api.PodKey]*pod{},
		templates: map[string]api.KubeletTemplate{}, fetching: map[string]bool{},
		watchers: map[api.PodKey][]chan struct{}{},
	}
}

func newProcessRuntime(opts Options, driver cgroup.Driver) (*process.Runtime, error) {
	binary := opts.Shim
	if binary == "" {
		var err error
		if binary, err = shim.Install(opts.StateDir); err != nil {
			return nil, err
		}
	}
	group, err := driver.Shims()
	if err != nil {
		return nil, fmt.Errorf("make the shims' group: %w", err)
	}
	starter, err := shim.NewStarter(binary, group)
	if err != nil {
		return nil, err
	}
	return process.New(starter, driver, opts.Clock), nil
}
