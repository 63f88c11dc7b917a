package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/cli/config"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

func newContext(a *app) *cobra.Command {
	return noun("context", "Contexts: the clusters you use, and as whom",
		a.contextList(), a.contextShow(), a.contextUse(), a.contextSet(), a.contextDelete())
}

func (a *app) contextList() *cobra.Command {
	return a.reading(&cobra.Command{
		Use: "list", Short: "Show the contexts", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			f, err := config.Load(config.Path(a.Getenv))
			if err != nil {
				return err
			}
			return a.print(nonNil(f.Contexts), func() output.Table {
				t := output.Table{
					Empty: "there are no contexts; `cox context set NAME --server https://…` makes one",
					Columns: []output.Column{
						{Name: "CURRENT"}, {Name: "CONTEXT"}, {Name: "CLUSTER"}, {Name: "IDENTITY"},
					},
				}
				for _, c := range f.Contexts {
					mark := ""
					if c.Name == f.Current {
						mark = "*"
					}
					t.Rows = append(t.Rows, []string{mark, c.Name, c.Cluster, output.OrNone(c.Identity)})
				}
				return t
			})
		},
	})
}

// contextShow tells which cluster commands talk to, and why.
func (a *app) contextShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show which cluster commands talk to, and why that one", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			t, err := a.target()
			if err != nil {
				return err
			}
			return a.say("%s (%s)", t.Server, t.From)
		},
	}
}

func (a *app) contextUse() *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Use a context from now on", Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changeContexts(func(f *config.File) error {
				for _, c := range f.Contexts {
					if c.Name == args[0] {
						f.Current = args[0]
						return nil
					}
				}
				return noContext(args[0])
			})
		},
	}
}

func noContext(name string) error {
	return api.Errorf(api.CodeNotFound, "there is no context %q; `cox context list` shows them", name)
}

func (a *app) contextSet() *cobra.Command {
	var cluster config.Cluster
	var token, ca string
	c := &cobra.Command{
		Use: "set NAME --server ADDRESS", Short: "Add or change a context", Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if a.server == "" {
				return usagef("give the cluster's address with --server")
			}
			cluster.Server = a.server
			if ca != "" {
				text, err := os.ReadFile(ca)
				if err != nil {
					return usagef("read --ca: %w", err)
				}
				cluster.CA = string(text)
			}
			return a.changeContexts(func(f *config.File) error {
				f.Set(args[0], cluster, token)
				return nil
			})
		},
	}
	c.Flags().StringVar(&token, "token", "", "your token there")
	c.Flags().StringVar(&ca, "ca", "", "a file with the cluster's certificate authority")
	c.Flags().StringVar(&cluster.CAHash, "ca-hash", "", "the hash of the authority instead")
	return c
}

func (a *app) contextDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Forget a context", Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changeContexts(func(f *config.File) error {
				if !f.Delete(args[0]) {
					return noContext(args[0])
				}
				return nil
			})
		},
	}
}

func (a *app) changeContexts(change func(*config.File) error) error {
	path := config.Path(a.Getenv)
	f, err := config.Load(path)
	if err != nil {
		return err
	}
	if err := change(&f); err != nil {
		return err
	}
	return f.Save(path)
}
