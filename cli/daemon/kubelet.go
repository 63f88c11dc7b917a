package daemon

import (
	"context"

	"github.com/coxswain-hpc/coxswain/cli"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet"
)

// Kubelet runs the node agent until ctx ends or a signal ends it.
func Kubelet(ctx context.Context, k cli.KubeletSettings) error {
	agent, err := kubelet.New(kubelet.Options{
		Node: k.Node, StateDir: k.StateDir, ScratchDir: k.ScratchDir, Endpoints: k.Servers, JoinToken: k.JoinToken,
		Reserved: k.Reserved, Capacity: k.Capacity, UIDFloor: k.UIDFloor, CgroupRoot: k.CgroupRoot,
		Version: cli.Version, Clock: clock.Real{}, Logger: k.Log,
	})
	if err != nil {
		return err
	}
	return untilSignal(ctx, agent.Run)
}
