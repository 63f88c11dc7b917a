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

// newRoot makes the command tree; if first is a command, only its branch: making all of them takes
// longer than a submission.
func newRoot(a *app, first string) *cobra.Command {
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
	for _, c := range chosen(first) {
		made := c.make(a)
		made.GroupID, made.Example = c.group, examples[c.name]
		root.AddCommand(made)
	}
	root.AddCommand(newExitCodes())
	return root
}

// command is one of cox's, by the name that people type.
type command struct {
	name, group string
	make        func(*app) *cobra.Command
}

// commands are in the order of the help page's groups.
var commands = []command{
	{"submit", groupWork, newSubmit},
	{"run", groupWork, newRun},
	{"wait", groupWork, newWait},
	{"cancel", groupWork, newCancel},
	{"hold", groupWork, newHold},
	{"release", groupWork, newRelease},
	{"requeue", groupWork, newRequeue},
	{"update", groupWork, newUpdate},
	{"signal", groupWork, newSignal},

	{"queue", groupLook, newQueue},
	{"history", groupLook, newHistory},
	{"why", groupLook, newWhy},
	{"logs", groupLook, newLogs},
	{"nodes", groupLook, newNodes},

	{"up", groupCluster, newUp},
	{"down", groupCluster, newDown},
	{"server", groupCluster, newServer},
	{"kubelet", groupCluster, newKubelet},
	{"apply", groupCluster, newApply},
	{"version", groupCluster, newVersion},

	{"job", groupNouns, newJob},
	{"pod", groupNouns, newPod},
	{"node", groupNouns, newNode},
	{"account", groupNouns, newAccount},
	{"user", groupNouns, newUser},
	{"qos", groupNouns, newQOS},
	{"partition", groupNouns, newPartition},
	{"event", groupNouns, newEvent},
	{"token", groupNouns, newToken},
	{"context", groupNouns, newContext},
}

// chosen is the command that is named, or all of them: to help, to complete and to guess what was meant.
func chosen(name string) []command {
	for i := range commands {
		if commands[i].name == name {
			return commands[i : i+1]
		}
	}
	return commands
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
