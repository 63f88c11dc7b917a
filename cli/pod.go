package cli

import (
	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

func newPod(a *app) *cobra.Command {
	return noun("pod", "Pods: the placed attempts of jobs", a.podList())
}

func (a *app) podList() *cobra.Command {
	var f client.PodFilter
	var ended bool
	c := &cobra.Command{
		Use: "list [JOB...]", Short: "Show pods that hold resources, with --ended those that have ended",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.historyOf(c.Context(), args)
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			f.Live = new(!ended)
			pods, err := cl.AllPods(c.Context(), f, historyPodsMax)
			if err != nil {
				return err
			}
			return a.print(nonNil(pods), func() output.Table { return attemptsTable(pods, a.now()) })
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.Node, "node", "", "pods on this node")
	flags.StringVarP(&f.User, "user", "u", "", "pods of this user")
	flags.BoolVar(&ended, "ended", false, "pods that have ended")
	return a.reading(c)
}
