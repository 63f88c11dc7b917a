package cli

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
)

// KubeletSettings are the settings of `cox kubelet`; the help of its flags explains them.
type KubeletSettings struct {
	Servers                          []string
	JoinToken                        string
	StateDir, ScratchDir, CgroupRoot string
	Node                             string
	Capacity, Reserved               api.Resources
	UIDFloor                         int64
	Log                              *slog.Logger
}

// kubeletFlags fill the settings.
type kubeletFlags struct {
	daemonFlags
	KubeletSettings
	joinFile                   string
	cpus, memory               string
	reserveCPUs, reserveMemory string
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
	f.StringSliceVar(&k.Servers, "server", nil, "the servers' addresses, tried in turn")
	f.StringVar(&k.JoinToken, "join", "", "a join token, for the first time")
	f.StringVar(&k.joinFile, "join-file", "", "a file with the join token instead")
	f.StringVar(&k.StateDir, "state-dir", kubeletStateDir,
		"where the node's state is kept; all users must be able to pass through it")
	f.StringVar(&k.ScratchDir, "scratch-dir", "",
		"where a folder for the temporary folders of pods is made (the state directory)")
	f.StringVar(&k.CgroupRoot, "cgroup-root", "", "our folder in the cgroup hierarchies (cox)")
	f.StringVar(&k.Node, "node", "", "the node's name (the host name)")
	f.StringVar(&k.cpus, "cpus", "", "offer at most so many CPUs")
	f.StringVar(&k.memory, "memory", "", "offer at most so much memory (16G)")
	f.StringVar(&k.reserveCPUs, "reserve-cpus", "", "keep so many CPUs back for the system")
	f.StringVar(&k.reserveMemory, "reserve-memory", "", "keep so much memory back for the system (2G)")
	f.Int64Var(&k.UIDFloor, "uid-floor", 0, "the lowest uid that may run pods (1000; -1: any, root too)")
	return c
}

func (a *app) kubelet(ctx context.Context, k kubeletFlags) (err error) {
	if k.Log, err = k.logger(a); err != nil {
		return err
	}
	if k.JoinToken, err = k.token(); err != nil {
		return err
	}
	if k.Capacity, err = resources(k.cpus, k.memory); err != nil {
		return err
	}
	if k.Reserved, err = resources(k.reserveCPUs, k.reserveMemory); err != nil {
		return err
	}
	return a.Kubelet(ctx, k.KubeletSettings)
}

func (k kubeletFlags) token() (string, error) {
	if k.joinFile == "" {
		return k.JoinToken, nil
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
