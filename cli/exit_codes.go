package cli

import "github.com/spf13/cobra"

// newExitCodes is a help topic: a command that can't be run.
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use: "exit-codes", Short: "The exit codes of cox",
		Long: "The exit codes of cox:\n\n" + exitTableText(),
	}
}
