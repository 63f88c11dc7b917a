package kubelet

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/checkpoint"
	"github.com/coxswain-hpc/coxswain/kubelet/logs"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

const (
	// sessionStartWait is how long a session waits for its pod to run.
	sessionStartWait = 10 * time.Minute
	// sessionsMax bounds the sessions of a node at once.
	sessionsMax = 512
)

// session serves one session that the server asked for.
func (a *agent) session(ctx context.Context, request api.SessionRequest) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case a.sessions <- struct{}{}:
		defer func() { <-a.sessions }()
	default:
		a.log.WarnContext(ctx, "too many sessions at once; one is refused", slog.String("session", request.ID))
		return
	}
	frames, err := a.opts.Dialer.Session(ctx, request.ID)
	if err != nil {
		a.log.WarnContext(ctx, "a session can't be dialled", slog.String("session", request.ID), slog.Any("error", err))
		return
	}
	defer frames.Close()
	switch request.Kind {
	case api.SessionAttach:
		err = a.attach(ctx, frames, request)
	case api.SessionLogs:
		err = a.serveLogs(ctx, frames, request)
	default:
		err = api.Errorf(api.CodeUnsupported, "this kubelet knows no session of kind %q; upgrade it", request.Kind)
	}
	if err != nil && ctx.Err() == nil {
		a.sendError(ctx, frames, err)
	}
}

// sendError ends a session with a sentence.
func (a *agent) sendError(ctx context.Context, frames Frames, err error) {
	var known *api.Error
	if !errors.As(err, &known) {
		known = api.Errorf(api.CodeInternal, "%w", err)
	}
	if frames.Send(ctx, api.SessionFrame{Kind: "error", Error: known}) == nil {
		frames.Finish()
	}
}

// view is what a session needs to know of its pod.
type view struct {
	found  bool
	phase  reconcile.Phase
	record checkpoint.Record
	onDisk bool
}

// see is what the agent knows of a pod now.
func (a *agent) see(key api.PodKey) view {
	if p := a.pods[key]; p != nil {
		return view{found: true, phase: p.Phase, record: p.record, onDisk: p.onDisk}
	}
	_, coming := a.desired.Pods[key]
	return view{found: coming, phase: reconcile.PhaseStarting}
}

// await waits until ok accepts the pod. It looks again after each change of which changed tells.
func (a *agent) await(ctx context.Context, key api.PodKey, ok func(view) bool) (view, error) {
	for {
		answer, news := make(chan view, 1), make(chan struct{})
		a.post(func() {
			v := a.see(key)
			if !ok(v) {
				a.watchers[key] = append(a.watchers[key], news)
			}
			answer <- v
		})
		select {
		case v := <-answer:
			if ok(v) {
				return v, nil
			}
		case <-ctx.Done():
			return view{}, context.Cause(ctx)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return view{}, context.Cause(ctx)
		}
	}
}

// changed wakes the sessions that wait for a pod.
func (a *agent) changed(key api.PodKey) {
	for _, c := range a.watchers[key] {
		close(c)
	}
	delete(a.watchers, key)
}

func begun(v view) bool {
	return !v.found || v.phase != reconcile.PhaseStarting && v.phase != reconcile.PhaseDelayed
}

func over(v view) bool {
	return !v.found || v.phase == reconcile.PhaseEnded || v.phase == reconcile.PhaseCleaning
}

func (a *agent) awaitStart(ctx context.Context, key api.PodKey) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, sessionStartWait)
	defer cancel()
	return a.await(ctx, key, begun)
}

// attach joins the frames of a session with the standard streams of its pod.
func (a *agent) attach(ctx context.Context, frames Frames, request api.SessionRequest) error {
	v, err := a.awaitStart(ctx, request.Pod)
	if err != nil {
		return err
	}
	if !v.onDisk {
		return api.Errorf(api.CodeEnded, "pod %s has ended on this node", request.Pod)
	}
	ref := a.ref(v.record.Assignment)
	attached, err := a.runtime.Attach(ctx, ref)
	if err != nil {
		return api.Errorf(api.CodeConflict, "pod %s can't be attached: %w", request.Pod, err)
	}
	defer func() { _ = attached.Close() }() // it ends either way
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		a.takeInput(ctx, frames, attached, ref)
		_ = attached.Close() // ends a Next that waits: the client is gone
	}()
	return a.giveOutput(ctx, frames, attached, request.Pod)
}

// takeInput passes on what the client sends, until it is gone.
func (a *agent) takeInput(ctx context.Context, frames Frames, attached runtime.Attachment, ref runtime.Pod) {
	for {
		f, err := frames.Receive(ctx)
		if err != nil {
			return
		}
		switch f.Kind {
		case "stdin":
			_, err = attached.Write(f.Data)
		case "stdin_eof":
			err = attached.CloseInput()
		case "signal":
			err = a.forwardSignal(ctx, ref, f.Signal)
		}
		if err != nil {
			a.log.DebugContext(ctx, "a frame of a session had no effect", slog.String("kind", f.Kind),
				slog.Any("error", err))
		}
	}
}

// forwardSignal does what a terminal does with Ctrl-C: it reaches every process.
func (a *agent) forwardSignal(ctx context.Context, ref runtime.Pod, name string) error {
	number, err := step.SignalNumber(name)
	if err != nil {
		return err
	}
	return a.runtime.Signal(ctx, ref, syscall.Signal(number), shimapi.TargetAll)
}

// giveOutput passes on what the pod writes, until its end.
func (a *agent) giveOutput(ctx context.Context, frames Frames, attached runtime.Attachment, key api.PodKey) error {
	for {
		f, err := attached.Next()
		if err != nil {
			return api.Errorf(api.CodeUnavailable, "the pod's output broke off: %w", err)
		}
		out := api.SessionFrame{Kind: string(f.Channel), Data: f.Data}
		if f.Exit != nil {
			report := endOf(key, *f.Exit, nil)
			out = api.SessionFrame{Kind: "exit", Exit: report.Exit, State: report.State}
		}
		if len(out.Data) > 0 || out.Exit != nil {
			if err := frames.Send(ctx, out); err != nil {
				return err
			}
		}
		if f.Exit != nil {
			frames.Finish()
			return nil
		}
	}
}

// serveLogs sends an output file.
func (a *agent) serveLogs(ctx context.Context, frames Frames, request api.SessionRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v, err := a.awaitStart(ctx, request.Pod)
	if err != nil {
		return err
	}
	read, err := a.logsRequest(ctx, v, request)
	if err != nil {
		return err
	}
	go func() { // a client that is gone ends the reading
		defer cancel()
		for {
			if _, err := frames.Receive(ctx); err != nil {
				return
			}
		}
	}()
	if request.Follow && !over(v) {
		ended := make(chan struct{})
		read.Ended = ended
		go func() {
			if _, err := a.await(ctx, request.Pod, over); err == nil {
				close(ended)
			}
		}()
	}
	err = logs.Read(ctx, read, func(data []byte) error {
		return frames.Send(ctx, api.SessionFrame{Kind: "stdout", Data: data})
	})
	if err != nil {
		return err
	}
	if err := frames.Send(ctx, api.SessionFrame{Kind: "eof"}); err != nil {
		return err
	}
	frames.Finish()
	return nil
}

// logsRequest finds the file: in the record of a pod that is here, else by computing again where the
// output of a pod went that was here.
func (a *agent) logsRequest(ctx context.Context, v view, request api.SessionRequest) (logs.Request, error) {
	owner, stdout, stderr := v.record.Owner, v.record.Stdout, v.record.Stderr
	if !v.onDisk {
		if request.Assignment == nil || request.Source == nil {
			return logs.Request{}, api.Errorf(api.CodeNotFound, "node %s knows no pod %s", a.opts.Node, request.Pod)
		}
		p := &step.Pod{
			Assignment: *request.Assignment, Template: *request.Source, Node: a.opts.Node, StartAt: a.clock.Now(),
		}
		if err := a.identity().Prepare(ctx, p); err != nil {
			return logs.Request{}, api.Errorf(api.CodeForbidden, "the output of pod %s can't be read: %w",
				request.Pod, err)
		}
		owner = p.Owner
		stdout, stderr = step.Outputs(p)
	}
	path := stdout
	if request.Stream == "stderr" && stderr != "" {
		path = stderr
	}
	if path == "" {
		return logs.Request{}, api.Errorf(api.CodeNotFound,
			"pod %s has no output file: its output went to the attached client", request.Pod)
	}
	read := logs.Request{Path: path, Offset: request.Offset}
	if os.Geteuid() == 0 {
		user := step.User(owner)
		read.User = &syscall.Credential{Uid: user.UID, Gid: user.GID, Groups: user.Groups}
	}
	return read, nil
}

// identity is the check that a start makes too.
func (a *agent) identity() step.Identity {
	return step.Identity{Names: a.opts.Names, Floor: max(a.opts.UIDFloor, 0), Self: os.Geteuid()}
}
