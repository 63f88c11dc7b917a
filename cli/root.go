package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// The groups of the help page.
const (
	groupWork    = "work"
	groupLook    = "look"
	groupCluster = "cluster"
	groupNouns   = "nouns"
)

const rootLong = `Coxswain schedules a research cluster.

  cox up                       start a cluster on this machine
  cox submit job.sh            submit a batch script, with its #SBATCH or #COX header
  cox run -- make test         run a command on the cluster, attached
  cox queue                    what waits and runs
  cox why 42                   why it waits, or why it ended as it did

"cox help exit-codes" lists the exit codes.`

// newRoot makes the command tree.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: "cox", Short: "Coxswain schedules a research cluster", Long: rootLong,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs,
	}
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}
	root.SuggestionsMinimumDistance = 2 // one letter too many, missing, wrong or swapped
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetIn(a.Stdin)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w; see `%s --help`", err, c.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "the server's address (https://… or unix:///…), instead of a context")
	flags.StringVar(&a.context, "context", "", "the context to use")
	flags.StringVar(&a.format, "format", "table", "how to print: table, wide, json or yaml")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no notes on standard error")
	root.AddGroup(
		&cobra.Group{ID: groupWork, Title: "Work:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
		&cobra.Group{ID: groupCluster, Title: "The cluster:"},
		&cobra.Group{ID: groupNouns, Title: "Everything, as cox NOUN VERB:"},
	)
	root.SetHelpCommandGroupID(groupCluster)
	root.SetCompletionCommandGroupID(groupCluster)
	addGroup(root, groupWork, newSubmit(a), newRun(a), newWait(a), newCancel(a), newHold(a), newRelease(a),
		newRequeue(a), newUpdate(a), newSignal(a))
	addGroup(root, groupLook, newQueue(a), newHistory(a), newWhy(a), newLogs(a), newNodes(a))
	addGroup(root, groupCluster, newUp(a), newDown(a), newServer(a), newKubelet(a), newApply(a), newVersion(a))
	addGroup(root, groupNouns, newJob(a), newPod(a), newNode(a), newAccount(a), newUser(a), newQOS(a),
		newPartition(a), newEvent(a), newToken(a), newContext(a))
	root.AddCommand(newExitCodes())
	return root
}

func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// reading adds -o, which on reading commands is --format.
func (a *app) reading(c *cobra.Command) *cobra.Command {
	c.Flags().StringVarP(&a.format, "output", "o", "table", "same as --format")
	return c
}

// args turns cobra's complaints about arguments into usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, list []string) error {
		if err := check(c, list); err != nil {
			return usagef("%w; see `%s --help`", err, c.CommandPath())
		}
		return nil
	}
}

// unknownCommand names what was perhaps meant.
func unknownCommand(c *cobra.Command, name string) error {
	hint := "see `cox help`"
	if near := c.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean `cox " + strings.Join(near, "`, `cox ") + "`?"
	}
	return usagef("there is no command %q; %s", name, hint)
}

// noun makes the command that holds a noun's verbs.
func noun(name, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: name, Short: short,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(verbs...)
	return c
}
