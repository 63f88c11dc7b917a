package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
)

// Daemons run `cox server` and `cox kubelet` until their context ends.
type Daemons struct {
	Server  func(context.Context, ServerSettings) error
	Kubelet func(context.Context, KubeletSettings) error
}

// Main runs the command line of this process and returns its exit code.
func Main(daemons Daemons) int {
	a := &app{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Daemons: daemons}
	return a.main(context.Background(), os.Args[1:])
}

// main runs one command. An interrupt ends the process, as it does by default: a thread that listens
// for signals would cost each command a millisecond. Those that have more to do (run, up, the daemons)
// take the signals over.
func (a *app) main(ctx context.Context, args []string) int {
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	root := newRoot(a, first)
	if path, rest, ok := a.plugin(root, args); ok {
		err := syscall.Exec(path, append([]string{path}, rest...), os.Environ())
		return a.fail(fmt.Errorf("run %s: %w", path, err))
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	a.close()
	return a.fail(err)
}

// fail says what went wrong and returns the exit code.
func (a *app) fail(err error) int {
	code := exitCodeOf(err)
	var status statusError
	if err == nil || errors.As(err, &status) {
		return code
	}
	printError(a.Stderr, err)
	return code
}

// printError writes the sentence, and each wrong field on a line of its own.
func printError(out io.Writer, err error) {
	var e *api.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		fmt.Fprintf(out, "cox: %s\n", err) //nolint:errcheck // there is nowhere left to say it
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cox: %s\n", e.Message)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "  %s: %s\n", f.Field, f.Message)
	}
	io.WriteString(out, b.String()) //nolint:errcheck // there is nowhere left to say it
}

// plugin finds cox-NAME on the PATH for `cox NAME` that cox itself does not know.
func (a *app) plugin(root *cobra.Command, args []string) (path string, rest []string, ok bool) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") || strings.ContainsRune(args[0], '/') {
		return "", nil, false
	}
	if strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) || args[0] == "help" {
		return "", nil, false
	}
	for _, c := range root.Commands() {
		if c.Name() == args[0] || c.HasAlias(args[0]) {
			return "", nil, false
		}
	}
	path, err := exec.LookPath("cox-" + args[0])
	return path, args[1:], err == nil
}
