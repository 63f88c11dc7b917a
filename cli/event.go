package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

const eventsMax = 1000

func newEvent(a *app) *cobra.Command {
	return noun("event", "Events: the history of a job or node", a.eventList())
}

func (a *app) eventList() *cobra.Command {
	var f client.EventFilter
	var kind string
	c := &cobra.Command{
		Use: "list [JOB|NAME]", Short: "Show what happened to a job, or with --kind to another object",
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			f.Kind = api.Kind(kind)
			if len(args) == 1 {
				f.Object = args[0]
				if kind == "" {
					f.Kind = api.KindJob
				}
			}
			return a.events(c.Context(), f)
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "the kind of object: job, node, account, …")
	return a.reading(c)
}

func (a *app) events(ctx context.Context, f client.EventFilter) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	var all []api.Event
	for len(all) < eventsMax {
		page, err := cl.Events(ctx, f)
		if err != nil {
			return err
		}
		all = append(all, page.Items...)
		if f.Page = page.NextPage; f.Page == "" {
			break
		}
	}
	return a.print(nonNil(all), func() output.Table {
		t := output.Table{Empty: "nothing is recorded", Columns: []output.Column{
			{Name: "WHEN"}, {Name: "OBJECT"}, {Name: "REASON"}, {Name: "BY"}, {Name: "MESSAGE", Shrink: true},
		}}
		for _, e := range all {
			t.Rows = append(t.Rows, []string{
				output.Ago(&e.At, a.now()), eventObject(e), output.OrNone(string(e.Reason)), output.OrNone(e.Actor),
				e.Message,
			})
		}
		return t
	})
}

func eventObject(e api.Event) string {
	if e.Pod != nil {
		return e.Pod.String()
	}
	return string(e.Kind) + " " + e.Object
}
