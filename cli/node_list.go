package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// nodeView is a node with what its pods hold.
type nodeView struct {
	api.Node
	Allocated api.Resources `json:"allocated"`
	Pods      int           `json:"pods"`
}

func newNodes(a *app) *cobra.Command {
	return a.reading(&cobra.Command{
		Use: "nodes", Short: "Show the nodes: what they have, what is taken, and how they are",
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.nodes(c.Context()) },
	})
}

func (a *app) nodes(ctx context.Context) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	list, err := cl.Nodes(ctx)
	if err != nil {
		return err
	}
	views, err := viewNodes(ctx, cl, list)
	if err != nil {
		return err
	}
	return a.print(nonNil(views), func() output.Table { return nodesTable(views, a.now()) })
}

func viewNodes(ctx context.Context, cl *client.Client, list []api.Node) ([]nodeView, error) {
	pods, err := cl.AllPods(ctx, client.PodFilter{Live: new(true)}, queuePodsMax)
	if err != nil {
		return nil, err
	}
	views := make([]nodeView, len(list))
	at := make(map[string]*nodeView, len(list))
	for i, n := range list {
		views[i] = nodeView{Node: n}
		at[n.Name] = &views[i]
	}
	for _, pod := range pods {
		if v := at[pod.Node]; v != nil {
			v.Pods++
			v.Allocated = v.Allocated.Add(pod.Resources)
		}
	}
	return views, nil
}

func nodesTable(views []nodeView, now time.Time) output.Table {
	t := output.Table{Empty: "no node has joined yet", Columns: []output.Column{
		{Name: "NODE"},
		{Name: "STATE", Colour: stateColour},
		{Name: "CPUS", Right: true},
		{Name: "MEMORY", Right: true},
		{Name: "PODS", Right: true},
		{Name: "SINCE"},
		{Name: "CGROUPS", Wide: true},
		{Name: "KERNEL", Wide: true},
		{Name: "VERSION", Wide: true},
		{Name: "CONDITIONS", Shrink: true},
	}}
	for _, v := range views {
		have := v.Status.Inventory.Allocatable
		t.Rows = append(t.Rows, []string{
			v.Name, nodeState(v.Node),
			api.FormatCPUs(v.Allocated.CPUMillis) + "/" + api.FormatCPUs(have.CPUMillis),
			api.FormatBytes(v.Allocated.MemoryBytes) + "/" + api.FormatBytes(have.MemoryBytes),
			strconv.Itoa(v.Pods), output.Ago(&v.Status.Since, now), v.Status.Inventory.CgroupMode,
			v.Status.Inventory.Kernel, v.Status.KubeletVersion, conditionsCell(v.Node),
		})
	}
	return t
}

func nodeState(n api.Node) string {
	if n.Spec.Unschedulable {
		return "drained"
	}
	return string(n.Status.State)
}

func conditionsCell(n api.Node) string {
	var parts []string
	if n.Spec.Reason != "" {
		parts = append(parts, n.Spec.Reason)
	}
	for _, c := range n.Status.Conditions {
		parts = append(parts, c.Type)
	}
	return output.OrNone(strings.Join(parts, ", "))
}

func newNode(a *app) *cobra.Command {
	list := newNodes(a)
	list.Use = "list"
	return noun("node", "Nodes: machines with a kubelet",
		list, a.nodeShow(), a.nodeDrain(), a.nodeResume(), a.nodeDelete())
}

func (a *app) nodeShow() *cobra.Command {
	return a.reading(&cobra.Command{
		Use: "show NODE", Short: "Show a node in detail", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return a.showNode(c.Context(), args[0]) },
	})
}

func (a *app) showNode(ctx context.Context, name string) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	node, err := cl.Node(ctx, name)
	if err != nil {
		return err
	}
	views, err := viewNodes(ctx, cl, []api.Node{node})
	if err != nil {
		return err
	}
	p, err := a.printer()
	if err != nil {
		return err
	}
	if p.Format == output.FormatJSON || p.Format == output.FormatYAML {
		return p.Print(views[0], nil)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range nodeLines(views[0], a.now()) {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1]) //nolint:errcheck // Flush tells
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func nodeLines(v nodeView, now time.Time) [][2]string {
	inv := v.Status.Inventory
	lines := [][2]string{
		{"Node", v.Name},
		{"State", fmt.Sprintf("%s since %s", nodeState(v.Node), output.Ago(&v.Status.Since, now))},
		{"Why", v.Spec.Reason},
		{"CPUs", fmt.Sprintf("%s of %s taken (%s)", api.FormatCPUs(v.Allocated.CPUMillis),
			api.FormatCPUs(inv.Allocatable.CPUMillis), inv.CPUModel)},
		{"Topology", topologyLine(inv)},
		{"Memory", fmt.Sprintf("%s of %s taken, the machine has %s", api.FormatBytes(v.Allocated.MemoryBytes),
			api.FormatBytes(inv.Allocatable.MemoryBytes), api.FormatBytes(inv.Capacity.MemoryBytes))},
		{"Pods", strconv.Itoa(v.Pods)},
		{"System", fmt.Sprintf("%s, kernel %s, %s, cgroups %s", inv.OS, inv.Kernel, inv.Architecture, inv.CgroupMode)},
		{"Kubelet", v.Status.KubeletVersion},
		{"Joined", timeLine(&v.Status.RegisteredAt, now)},
	}
	for _, c := range v.Status.Conditions {
		lines = append(lines, [2]string{"Condition", c.Type + ": " + c.Message})
	}
	return dropEmpty(lines)
}

func topologyLine(inv api.Inventory) string {
	sockets, cores := map[int]bool{}, map[int]bool{}
	for _, cpu := range inv.Topology {
		sockets[cpu.Socket], cores[cpu.Core] = true, true
	}
	return fmt.Sprintf("%s, %s, %s, %s", plural(int64(len(sockets)), "socket"), plural(int64(len(cores)), "core"),
		plural(int64(len(inv.Topology)), "thread"), plural(int64(len(inv.NUMANodes)), "NUMA node"))
}
