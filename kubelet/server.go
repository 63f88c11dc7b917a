package kubelet

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

// pendingSignalsMax bounds the signals that wait for one pod's start.
const pendingSignalsMax = 64

// hello says who we are and what we have.
func (a *agent) hello() api.KubeletHello {
	return api.KubeletHello{
		Protocol: api.KubeletProtocol, Node: a.opts.Node, Status: a.nodeStatus(), Epoch: a.desired.Epoch,
	}
}

// connected takes the welcome: the whole pod set replaces what was desired.
func (a *agent) connected(l *link, m api.ServerMessage) {
	a.log.Info("connected", slog.Int("pods", len(m.Welcome.Pods)), slog.String("epoch", m.Welcome.Epoch))
	a.link = l
	a.outbox.Reset()
	clear(a.fetching)
	a.desired = reconcile.Desired{Known: true, Epoch: m.Welcome.Epoch, Pods: map[api.PodKey]api.PodAssignment{}}
	a.keepTemplates(m.Templates)
	for _, want := range m.Welcome.Pods {
		a.desired.Pods[want.Key] = want
		a.suspectLost(want)
	}
	a.rebooted = false
	a.noteBoot()
	for _, p := range a.pods {
		a.tellAgain(p)
	}
}

// noteBoot keeps the boot id once the store is done with all pods that may have run before the boot. Not
// earlier: a kubelet that is killed in between would take them for new ones, and run them twice.
func (a *agent) noteBoot() {
	if a.bootNoted || len(a.lost) > 0 {
		return
	}
	if err := renameio.WriteFile(filepath.Join(a.opts.StateDir, seenBootFile), []byte(a.bootID), 0o600); err != nil {
		a.log.Error("the boot id can't be kept", slog.Any("error", err))
		return // tried again at the next welcome
	}
	a.bootNoted = true
}

// suspectLost marks pods that may have run before the machine was booted: their checkpoint, which is
// never flushed, may be lost.
func (a *agent) suspectLost(want api.PodAssignment) {
	if a.rebooted && a.pods[want.Key] == nil && want.State == api.PodBound {
		a.lost[want.Key] = true
	}
}

// tellAgain repeats a fact that the store lacks, and takes pods over into the store's epoch.
func (a *agent) tellAgain(p *pod) {
	want, desired := a.desired.Pods[p.Assignment.Key]
	if !desired {
		return
	}
	p.Epoch = a.desired.Epoch
	if p.onDisk && p.record.Epoch != p.Epoch {
		p.record.Epoch = p.Epoch
		if err := a.store.Save(p.record); err != nil {
			a.log.Error("the new epoch can't be kept", slog.Any("error", err))
		}
	}
	if p.report.State != "" && p.report.State != want.State && !want.State.Ended() {
		a.outbox.Add(p.report)
	}
}

// disconnected: the pods run on, and what was under way is said again on the next link.
func (a *agent) disconnected(l *link) {
	if a.link == l {
		a.link = nil
		a.outbox.Reset()
	}
}

// received takes one message of the server.
func (a *agent) received(m api.ServerMessage) {
	a.keepTemplates(m.Templates)
	for _, want := range m.Pods {
		a.desired.Pods[want.Key] = want
		if p := a.pods[want.Key]; p != nil {
			p.Epoch = a.desired.Epoch
		}
	}
	for _, key := range m.Removed {
		a.release(key)
	}
	if m.ReportAck != 0 {
		a.outbox.Ack(m.ReportAck)
	}
	for _, key := range m.Stale {
		a.stale(key)
	}
	for _, s := range m.Signals {
		a.route(s)
	}
	if m.Session != nil {
		request := *m.Session
		a.beside(func(ctx context.Context) { a.session(ctx, request) })
	}
}

// release: the store is done with the pod.
func (a *agent) release(key api.PodKey) {
	delete(a.desired.Pods, key)
	delete(a.lost, key)
	a.noteBoot()
	if p := a.pods[key]; p != nil {
		p.Epoch = a.desired.Epoch // it was known to this epoch, so it needn't be offered
	}
}

// stale: the store refuses the attempt.
func (a *agent) stale(key api.PodKey) {
	a.release(key)
	if p := a.pods[key]; p != nil {
		p.Refused = true
	}
}

// keepTemplates keeps what came, wakes those who wait for it, and drops what nobody needs when it
// gets too much.
func (a *agent) keepTemplates(templates []api.KubeletTemplate) {
	for _, t := range templates {
		a.templates[t.Hash] = t
		delete(a.fetching, t.Hash)
		for _, p := range a.pods {
			if p.Phase == reconcile.PhaseDelayed && p.missing > 0 && p.Assignment.Template == t.Hash {
				p.NotBefore = a.steady()
			}
		}
	}
	if len(templates) == 0 || len(a.templates) <= templatesMax {
		return
	}
	needed := map[string]bool{}
	for _, t := range templates {
		needed[t.Hash] = true
	}
	for _, want := range a.desired.Pods {
		needed[want.Template] = true
	}
	maps.DeleteFunc(a.templates, func(name string, _ api.KubeletTemplate) bool { return !needed[name] })
}

// route brings a signal to its pod, at once or when it runs.
func (a *agent) route(s api.PodSignal) {
	p := a.pods[s.Key]
	_, coming := a.desired.Pods[s.Key]
	switch {
	case p == nil && coming:
		a.answerSignal(s, "the pod has not started")
	case p == nil || p.Phase == reconcile.PhaseEnded || p.Phase == reconcile.PhaseCleaning:
		a.answerSignal(s, "the pod has ended")
	case p.Phase == reconcile.PhaseRunning || p.Phase == reconcile.PhaseStopping:
		a.signal(p, s)
	case len(p.signals) >= pendingSignalsMax:
		a.answerSignal(s, "too many signals wait for the pod's start")
	default:
		p.signals = append(p.signals, s)
	}
}

func (a *agent) answerSignal(s api.PodSignal, message string) {
	if a.link != nil {
		a.link.send(api.KubeletMessage{Signals: []api.SignalResult{{ID: s.ID, Error: message}}})
	}
}

func (a *agent) signal(p *pod, s api.PodSignal) {
	ref := a.ref(p.Assignment)
	number, err := step.SignalNumber(s.Signal)
	if err != nil {
		a.answerSignal(s, err.Error())
		return
	}
	to := shimapi.TargetAll
	if s.BatchOnly {
		to = shimapi.TargetMain
	}
	a.beside(func(ctx context.Context) {
		message := ""
		if err := a.runtime.Signal(ctx, ref, syscall.Signal(number), to); err != nil {
			message = err.Error()
		}
		a.post(func() { a.answerSignal(s, message) })
	})
}
