package cli

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet"
)

// kubeletFlags are the settings of `cox kubelet`.
type kubeletFlags struct {
	daemonFlags
	servers                          []string
	join, joinFile                   string
	stateDir, scratchDir, cgroupRoot string
	node                             string
	cpus, memory                     string
	reserveCPUs, reserveMemory       string
	uidFloor                         int64
}

const kubeletStateDir = "/var/lib/cox-kubelet"

func newKubelet(a *app) *cobra.Command {
	var k kubeletFlags
	c := &cobra.Command{
		Use: "kubelet --server https://HOST:PORT", Short: "Run the node agent, as root", Args: args(cobra.NoArgs),
		Long: "Run the node agent. The first time it needs a join token (cox token create --join, on a server).\n" +
			"Each setting can also be COX_NAME in the environment or name in the YAML file of --config.",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := k.fill(c, a.Getenv); err != nil {
				return err
			}
			return a.kubelet(c.Context(), k)
		},
	}
	f := c.Flags()
	k.add(f)
	f.StringSliceVar(&k.servers, "server", nil, "the servers' addresses, tried in turn")
	f.StringVar(&k.join, "join", "", "a join token, for the first time")
	f.StringVar(&k.joinFile, "join-file", "", "a file with the join token instead")
	f.StringVar(&k.stateDir, "state-dir", kubeletStateDir, "where the node's state is kept; all users must be able to pass through it")
	f.StringVar(&k.scratchDir, "scratch-dir", "", "where a folder for the temporary folders of pods is made (the state directory)")
	f.StringVar(&k.cgroupRoot, "cgroup-root", "", "our folder in the cgroup hierarchies (cox)")
	f.StringVar(&k.node, "node", "", "the node's name (the host name)")
	f.StringVar(&k.cpus, "cpus", "", "offer at most so many CPUs")
	f.StringVar(&k.memory, "memory", "", "offer at most so much memory (16G)")
	f.StringVar(&k.reserveCPUs, "reserve-cpus", "", "keep so many CPUs back for the system")
	f.StringVar(&k.reserveMemory, "reserve-memory", "", "keep so much memory back for the system (2G)")
	f.Int64Var(&k.uidFloor, "uid-floor", 0, "the lowest uid that may run pods (1000; -1: any, root too)")
	return c
}

func (a *app) kubelet(ctx context.Context, k kubeletFlags) error {
	log, err := k.logger(a)
	if err != nil {
		return err
	}
	token, err := k.token()
	if err != nil {
		return err
	}
	capacity, err := resources(k.cpus, k.memory)
	if err != nil {
		return err
	}
	reserved, err := resources(k.reserveCPUs, k.reserveMemory)
	if err != nil {
		return err
	}
	agent, err := kubelet.New(kubelet.Options{
		Node: k.node, StateDir: k.stateDir, ScratchDir: k.scratchDir, Endpoints: k.servers, JoinToken: token,
		Reserved: reserved, Capacity: capacity, UIDFloor: k.uidFloor, CgroupRoot: k.cgroupRoot, Version: Version,
		Clock: clock.Real{}, Logger: log,
	})
	if err != nil {
		return err
	}
	return endedInOrder(ctx, agent.Run(ctx))
}

// endedInOrder: a daemon that was told to end has done what it should.
func endedInOrder(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (k kubeletFlags) token() (string, error) {
	if k.joinFile == "" {
		return k.join, nil
	}
	text, err := os.ReadFile(k.joinFile)
	if err != nil {
		return "", api.Errorf(api.CodeInvalid, "read the join token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// resources reads CPUs and memory as flags give them; empty is zero.
func resources(cpus, memory string) (api.Resources, error) {
	var r api.Resources
	var err error
	if cpus != "" {
		if r.CPUMillis, err = api.ParseCPUs(cpus); err != nil {
			return r, usageError{err}
		}
	}
	if memory != "" {
		if r.MemoryBytes, err = api.ParseMemorySlurm(memory); err != nil {
			return r, usageError{err}
		}
	}
	return r, nil
}
