package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
)

// errInterrupted is why a command's context ended: the user pressed Ctrl-C, or somebody sent TERM.
var errInterrupted = errors.New("interrupted")

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

// main runs one command. An interrupt ends its context; commands that have more to say about
// signals (run, server, kubelet, up) take them over.
func (a *app) main(ctx context.Context, args []string) int {
	root := newRoot(a)
	if path, rest, ok := a.plugin(root, args); ok {
		err := syscall.Exec(path, append([]string{path}, rest...), os.Environ())
		return a.fail(fmt.Errorf("run %s: %w", path, err))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.interrupt = newInterrupt(cancel)
	defer a.interrupt.stop()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	a.close()
	return a.fail(err)
}

// fail says what went wrong and returns the exit code.
func (a *app) fail(err error) int {
	code := exitCodeOf(err)
	var status statusError
	if err == nil || errors.As(err, &status) || errors.Is(err, errInterrupted) {
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
	io.WriteString(out, b.String()) //nolint:errcheck,gosec // there is nowhere left to say it
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

// interrupt ends the command's context at INT or TERM until a command takes the signals over.
type interrupt struct {
	signals chan os.Signal
	done    chan struct{}
}

func newInterrupt(cancel context.CancelCauseFunc) *interrupt {
	i := &interrupt{signals: make(chan os.Signal, 1), done: make(chan struct{})}
	signal.Notify(i.signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case <-i.signals:
			cancel(errInterrupted)
		case <-i.done:
		}
	}()
	return i
}

// stop gives the signals back; it may be called twice.
func (i *interrupt) stop() {
	signal.Stop(i.signals)
	select {
	case <-i.done:
	default:
		close(i.done)
	}
}
