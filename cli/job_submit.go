package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/cli/header"
)

const submitLong = `Submit a batch job: a script file, a script on standard input, a command behind --,
or one line with --wrap. The options are sbatch's; they may also stand in the
script, in lines that begin with #SBATCH or #COX.

Prints "Submitted batch job 42", with --parsable "42". With --wait it exits as the
job does ("cox help exit-codes").

Options:
`

func newSubmit(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "submit [OPTION]... SCRIPT [ARGUMENT]... | submit [OPTION]... -- COMMAND [ARGUMENT]...",
		Aliases: []string{"sbatch"},
		Short:   "Submit a batch job: a script, standard input, or -- a command",
		// The options are sbatch's, with its way of reading them: package header does that.
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			o, err := a.parseSubmit(args)
			switch {
			case err != nil:
				return err
			case o.Version:
				return a.printVersion(versionInfo{Version: Version, Commit: Commit})
			case o.Help || o.Usage:
				return a.say("%s%s\nUsage:\n  cox %s", submitLong, helpOptions(), c.Use)
			}
			return a.submit(c.Context(), o)
		},
	}
}

func (a *app) parseSubmit(args []string) (header.Options, error) {
	line, err := header.ReadArgs(args, foreignFlags())
	if err != nil {
		return header.Options{}, err
	}
	script, err := a.readScript(line)
	if err != nil {
		return header.Options{}, err
	}
	o, _, err := header.Parse(header.Input{
		Script: script, Args: args, Environ: os.Environ(), Foreign: foreignFlags(),
	})
	if err != nil {
		return o, err
	}
	a.takeForeign(o.Foreign)
	a.quiet = a.quiet || o.Quiet
	return o, nil
}

// submit sends the job and says its number; only that goes to standard output.
func (a *app) submit(ctx context.Context, o header.Options) error {
	surroundings, err := a.surroundings()
	if err != nil {
		return err
	}
	request, notes, err := o.Build(surroundings)
	if err != nil {
		return err
	}
	request.RequestID = requestID()
	if o.Verbose > 0 {
		if err := a.saySpec(request.Spec); err != nil {
			return err
		}
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	job, err := cl.SubmitJob(ctx, request)
	if err != nil {
		return err
	}
	for _, note := range append(notes, job.Spec.Notes...) {
		a.note(note)
	}
	if err := a.sayNumber(job.ID, o.Parsable); err != nil {
		return err
	}
	if o.Wait {
		return a.waitFor(ctx, []jobRef{{ID: job.ID}})
	}
	return nil
}

// saySpec shows on standard error what is asked for; the script and the environment, which may hold
// keys, are not in it.
func (a *app) saySpec(spec api.JobSpec) error {
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return fmt.Errorf("show the job: %w", err)
	}
	fmt.Fprintf(a.Stderr, "%s\n", text) //nolint:errcheck // only a note
	return nil
}

func (a *app) sayNumber(id api.JobID, parsable bool) error {
	if parsable {
		return a.say("%s", id)
	}
	return a.say("Submitted batch job %s", id)
}
