package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
)

func (a *app) nodeDrain() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "drain NODE...", Short: "Place nothing new on nodes; what runs there runs on",
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changeNodes(c.Context(), args, func(s *api.NodeSpec) { s.Unschedulable, s.Reason = true, reason })
		},
	}
	c.Flags().StringVarP(&reason, "reason", "r", "", "why, for those who look at the node")
	return c
}

func (a *app) nodeResume() *cobra.Command {
	return &cobra.Command{
		Use: "resume NODE...", Short: "Use drained nodes again", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changeNodes(c.Context(), args, func(s *api.NodeSpec) { s.Unschedulable, s.Reason = false, "" })
		},
	}
}

func (a *app) nodeDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NODE...", Short: "Forget nodes that are gone", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := cl.DeleteNode(c.Context(), name); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (a *app) changeNodes(ctx context.Context, names []string, change func(*api.NodeSpec)) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	for _, name := range names {
		node, err := cl.Node(ctx, name)
		if err != nil {
			return err
		}
		change(&node.Spec)
		if _, err := cl.UpdateNode(ctx, name, node.Spec, node.Generation); err != nil {
			return err
		}
	}
	return nil
}
