package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/header"
)

const (
	// tellWaiting is how long a run is silent about why it has not started.
	tellWaiting = 2 * time.Second
	// stdinBytes is read of standard input at a time.
	stdinBytes = 32 << 10
	// abortWithin is how soon a second interrupt must follow to cancel the job.
	abortWithin = time.Second
)

const runLong = `Run a command on the cluster and stay attached: its output comes here, signals and
standard input go there, and cox exits as it does ("cox help exit-codes").
Two interrupts within a second cancel the job.

Options (those of submit):
`

func newRun(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "run [OPTION]... [--] COMMAND [ARGUMENT]...", Short: "Run a command attached: its output comes here",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			o, err := a.parseRun(args)
			if err != nil {
				return err
			}
			if o.Help || o.Usage {
				return a.say("%s%s\nUsage:\n  cox %s", runLong, helpOptions(), c.Use)
			}
			return a.run(c.Context(), o)
		},
	}
}

// parseRun reads the options; what follows them is the command, with or without a --.
func (a *app) parseRun(args []string) (header.Options, error) {
	line, err := header.ReadArgs(args, foreignFlags())
	if err != nil {
		return header.Options{}, err
	}
	if !line.DashDash && len(line.Rest) > 0 {
		options := args[:len(args)-len(line.Rest)]
		args = append(append(append([]string{}, options...), "--"), line.Rest...)
	}
	if !line.DashDash && len(line.Rest) == 0 && !asksHelp(line) {
		return header.Options{}, usagef("name a command to run: cox run -- hostname")
	}
	o, _, err := header.Parse(header.Input{Args: args, Environ: os.Environ(), Foreign: foreignFlags()})
	if err != nil {
		return o, err
	}
	if o.Array != "" {
		return o, usagef("an attached run is one process; submit arrays with `cox submit`")
	}
	a.takeForeign(o.Foreign)
	a.quiet = a.quiet || o.Quiet
	return o, nil
}

func asksHelp(line header.Line) bool {
	for _, s := range line.Settings {
		if s.Option.Name == "help" || s.Option.Name == "usage" {
			return true
		}
	}
	return false
}

// run submits an attached job and stays with it.
func (a *app) run(ctx context.Context, o header.Options) error {
	surroundings, err := a.surroundings()
	if err != nil {
		return err
	}
	request, notes, err := o.Build(surroundings)
	if err != nil {
		return err
	}
	request.RequestID = requestID()
	request.Spec.NoRequeue = true // who is attached sees one attempt
	request.Spec.Roles[0].Template.Containers[0].Attach = true
	for _, note := range notes {
		a.note(note)
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	signals := takeSignals()
	job, err := cl.SubmitJob(ctx, request)
	if err != nil {
		return err
	}
	r := &attached{app: a, client: cl, job: job.ID, signals: signals, started: make(chan struct{})}
	return r.stay(ctx)
}

// takeSignals keeps signals from ending the process: from now on they come through the channel.
func takeSignals() chan os.Signal {
	const signalsMax = 16 // that many may arrive at once and none is lost
	signals := make(chan os.Signal, signalsMax)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1,
		syscall.SIGUSR2, syscall.SIGCONT, syscall.SIGALRM)
	return signals
}

// attached is the stay with one job.
type attached struct {
	app     *app
	client  *client.Client
	job     api.JobID
	session *client.Session
	signals chan os.Signal
	started chan struct{} // closed at the first sign of life
	lastInt time.Time
}

func (r *attached) stay(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go r.tellWhy(ctx)
	var err error
	if r.session, err = r.attach(ctx); err != nil {
		return err
	}
	defer r.session.Close()
	go r.forwardSignals(ctx)
	go r.forwardStdin(ctx)
	return r.receive(ctx)
}

// attach opens the session; a signal that comes before ends the job.
func (r *attached) attach(ctx context.Context) (*client.Session, error) {
	type result struct {
		session *client.Session
		err     error
	}
	done := make(chan result, 1)
	go func() {
		s, err := r.client.Attach(ctx, r.job, api.NoIndex)
		done <- result{s, err}
	}()
	for {
		select {
		case got := <-done:
			return got.session, got.err
		case s := <-r.signals:
			if s == syscall.SIGINT || s == syscall.SIGTERM || s == syscall.SIGHUP || s == syscall.SIGQUIT {
				return nil, r.cancel(ctx)
			}
		}
	}
}

// cancel ends the job since the user does not want it any more.
func (r *attached) cancel(ctx context.Context) error {
	r.app.note(fmt.Sprintf("cancels job %s", r.job))
	if err := r.client.CancelJob(ctx, r.job, ""); err != nil && !errors.Is(err, api.ErrEnded) {
		return err
	}
	return statusError{exitCancelled}
}

// tellWhy says why nothing happens, if nothing happens for a while.
func (r *attached) tellWhy(ctx context.Context) {
	timer := time.NewTimer(tellWaiting)
	defer timer.Stop()
	select {
	case <-r.started:
		return
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	job, err := r.client.Job(ctx, r.job)
	if err == nil && job.Status.State == api.JobPending {
		r.app.note(fmt.Sprintf("job %s waits: %s (`cox why %s` tells more)", r.job, reasonCell(job.Status), r.job))
	}
}

// receive writes what comes until the job has ended.
func (r *attached) receive(ctx context.Context) error {
	first := true
	for {
		frame, err := r.session.Receive(ctx)
		if err != nil {
			return r.lost(ctx, err)
		}
		if first {
			close(r.started)
			first = false
		}
		if frame.Kind == "exit" {
			return r.exit(ctx, frame)
		}
		if _, err := copyFrame(r.app.Stdout, r.app.Stderr, frame); err != nil {
			// Our reader is gone (a closed pipe): the job's writes should fail likewise.
			r.send(ctx, api.SessionFrame{Kind: "signal", Signal: "PIPE"})
			return err
		}
	}
}

// exit ends as the pod did.
func (r *attached) exit(ctx context.Context, frame api.SessionFrame) error {
	state, code := string(frame.State), 0
	if frame.Exit != nil {
		code = frame.Exit.Code
		r.tellEnd(string(frame.State), frame.Exit.Reason, frame.Exit.Message)
		code = commandExit(frame.Exit.Reason, code)
	}
	if frame.Exit == nil && state == "" {
		return r.lost(ctx, client.ErrSessionEnded)
	}
	if got := stateExit(state, code); got != 0 {
		return statusError{got}
	}
	return nil
}

// lost waits for the job's end without its output: the session broke off, could not begin (a
// program that can't be run has ended by then), or told no exit.
func (r *attached) lost(ctx context.Context, err error) error {
	switch api.CodeOf(err) { //nolint:exhaustive // with any other error the job may run on
	case api.CodeForbidden, api.CodeUnauthenticated, api.CodeNotFound:
		return err
	case api.CodeUnavailable:
		r.app.note(fmt.Sprintf("%s; waiting for the end of job %s without its output", err, r.job))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var last api.Job
	if err := r.client.WaitJob(ctx, r.job, func(job api.Job) (bool, error) {
		last = job
		return job.Status.State.Ended(), nil
	}); err != nil {
		return err
	}
	r.tellEnd(string(last.Status.State), last.Status.Reason, last.Status.Message)
	if code := jobExit(last); code != 0 {
		return statusError{code}
	}
	return nil
}

// tellEnd says why the job ended, unless its own output and exit code tell all there is. It is an
// error, so --quiet does not silence it.
func (r *attached) tellEnd(state string, reason api.Reason, message string) {
	ordinary := reason == api.ReasonExitCode || reason == api.ReasonSignal || reason == api.ReasonCancelled
	if state == string(api.JobCompleted) || ordinary || message == "" {
		return
	}
	fmt.Fprintf(r.app.Stderr, "cox: job %s: %s\n", r.job, message) //nolint:errcheck // the exit code says it too
}

func (r *attached) forwardSignals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-r.signals:
			if s == syscall.SIGINT && r.second() {
				r.cancel(ctx) //nolint:errcheck // the job's end comes over the session
				continue
			}
			r.send(ctx, api.SessionFrame{Kind: "signal", Signal: osSignalName(s)})
		}
	}
}

// second says whether this interrupt follows another closely.
func (r *attached) second() bool {
	now := r.app.now()
	again := now.Sub(r.lastInt) < abortWithin
	r.lastInt = now
	return again
}

func (r *attached) forwardStdin(ctx context.Context) {
	buffer := make([]byte, stdinBytes)
	for {
		n, err := r.app.Stdin.Read(buffer)
		if n > 0 {
			r.send(ctx, api.SessionFrame{Kind: "stdin", Data: buffer[:n]})
		}
		if err != nil {
			r.send(ctx, api.SessionFrame{Kind: "stdin_eof"})
			return
		}
	}
}

// send writes a frame; when the session is over, receive has noticed.
func (r *attached) send(ctx context.Context, frame api.SessionFrame) {
	r.session.Send(ctx, frame) //nolint:errcheck // see above
}
