package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// signalMax is the highest signal number on Linux.
const signalMax = 64

// onRequest answers the verbs that need the loop. Waiting and attaching don't.
func (p *pod) onRequest(r shimapi.Request, now int64) shimapi.Response {
	err := p.do(r, now)
	response := shimapi.Response{Version: shimapi.Version, State: p.status()}
	if err != nil {
		response.Error = err.Error()
	}
	if r.Op == shimapi.OpStatus {
		usage := p.usage()
		response.State.Usage = &usage
	}
	return response
}

func (p *pod) do(r shimapi.Request, now int64) error {
	switch r.Op {
	case shimapi.OpStatus:
		return nil
	case shimapi.OpStop:
		return p.onStop(r, now)
	case shimapi.OpSignal:
		if r.Signal < 1 || r.Signal > signalMax {
			return fmt.Errorf("signal %d is none of 1 to %d", r.Signal, signalMax)
		}
		return p.signal(unix.Signal(r.Signal), r.To)
	case shimapi.OpDeadline:
		return p.onDeadline(r, now)
	case shimapi.OpWait, shimapi.OpAttach:
		return fmt.Errorf("%s is not answered here", r.Op)
	}
	return fmt.Errorf("unknown request %q; this shim speaks version %d", r.Op, shimapi.Version)
}

func (p *pod) onStop(r shimapi.Request, now int64) error {
	if r.Reason == "" {
		return errors.New("a stop needs a reason")
	}
	if r.GraceMS < 0 || r.Signal < 0 || r.Signal > signalMax {
		return errors.New("a stop needs a grace of 0 or more and a valid signal")
	}
	sig := unix.SIGTERM
	if r.Signal != 0 {
		sig = unix.Signal(r.Signal)
	}
	p.stop(r.Reason, sig, time.Duration(r.GraceMS)*time.Millisecond, now)
	return nil
}

// onDeadline moves a deadline. The state file follows, so that an adopting kubelet sees it.
func (p *pod) onDeadline(r shimapi.Request, now int64) error {
	if r.BoottimeNS < 0 {
		return errors.New("a deadline is negative")
	}
	switch r.Deadline {
	case shimapi.DeadlineTimeLimit:
		p.times.setLimit(r.BoottimeNS, p.spec.Warn, now)
	case shimapi.DeadlineLease:
		p.times.lease = r.BoottimeNS // renewed often: not worth a write each time
		return nil
	default:
		return fmt.Errorf("unknown deadline %q", r.Deadline)
	}
	p.saveState()
	return nil
}

// status is a copy of the state for others to read.
func (p *pod) status() *shimapi.State {
	state := p.state
	state.DeadlineBoottimeNS, state.LeaseBoottimeNS = p.times.limit, p.times.lease
	return &state
}
