package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/config"
	"github.com/coxswain-hpc/coxswain/cli/output"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// app is what commands share: the streams, the environment, the global flags and the client, which
// is made when a command first needs it.
type app struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Daemons

	server  string // --server
	context string // --context
	format  string // --format
	quiet   bool   // --quiet

	clientMade *client.Client
}

// client connects to the cluster that flags, environment, file or local sockets name.
func (a *app) client() (*client.Client, error) {
	if a.clientMade != nil {
		return a.clientMade, nil
	}
	target, err := a.target()
	if err != nil {
		return nil, err
	}
	a.clientMade, err = client.New(client.Options{
		Server: target.Server, Token: target.Token, CAPEM: target.CAPEM, CAHash: target.CAHash,
		UserAgent: "cox/" + Version, Notify: a.note,
	})
	return a.clientMade, err
}

// target is the cluster that commands talk to.
func (a *app) target() (config.Target, error) {
	return config.Resolve(config.Choice{
		Server: a.server, Context: a.context, Getenv: a.Getenv, Exists: config.SocketExists,
	})
}

func (a *app) close() {
	if a.clientMade != nil {
		a.clientMade.Close()
	}
}

// note writes a sentence for the user to standard error, unless --quiet.
func (a *app) note(message string) {
	if !a.quiet {
		fmt.Fprintf(a.Stderr, "cox: %s\n", message) //nolint:errcheck // only a note
	}
}

// printer prints on standard output in the format of --format.
func (a *app) printer() (output.Printer, error) {
	format, err := output.ParseFormat(a.format)
	if err != nil {
		return output.Printer{}, err
	}
	return output.New(a.Stdout, format, a.Getenv), nil
}

// print prints v, as a table of what table makes of it.
func (a *app) print(v any, table func() output.Table) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	return p.Print(v, table)
}

// say writes a line of the answer to standard output.
func (a *app) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(a.Stdout, format+"\n", args...); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// terminal says whether standard error shows progress.
func (a *app) terminal() bool {
	file, ok := a.Stderr.(*os.File)
	return ok && !a.quiet && a.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

func (a *app) now() time.Time { return clock.Real{}.Now() }

// plural counts: 1 job, 2 jobs.
func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// firstLine is a sentence's first line.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
