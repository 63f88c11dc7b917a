package sim

import (
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/stream"
	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
)

// As the real kubelet has them.
const (
	helloTimeout  = 20 * time.Second
	renewsUnheard = 3
	renewEvery    = time.Duration(stream.RenewSeconds) * time.Second
)

var reconnect = backoff.Policy{Min: 100 * time.Millisecond, Max: 15 * time.Second}

// dial looks for a server, now this one and now that.
func (a *agent) dial() {
	s := a.machine.sim
	v := s.servers[a.rng.IntN(len(s.servers))]
	c := s.net.connect(a, v)
	if c == nil {
		a.redial()
		return
	}
	a.dialling = c
	c.toServer(api.KubeletMessage{Hello: &api.KubeletHello{
		Protocol: api.KubeletProtocol, Node: a.machine.name, Status: a.machine.status(), Epoch: a.desired.Epoch,
	}})
	a.later(helloTimeout, func() {
		if a.dialling == c {
			c.closeByAgent()
			a.lost(c, "no welcome")
		}
	})
}

func (a *agent) redial() {
	a.failures++
	a.later(reconnect.Wait(a.failures, a.rng), func() {
		if a.link == nil && a.dialling == nil {
			a.dial()
		}
	})
}

// lost is the end of a connection, on this side.
func (a *agent) lost(c *conn, why string) {
	if !a.alive || (a.link != c && a.dialling != c) {
		return
	}
	a.machine.sim.note("%s: lost the connection to s%d: %s", a.machine.name, c.server.id, why)
	c.closeByAgent()
	if a.link == c {
		a.link = nil
		a.outbox.Reset()
	}
	if a.dialling == c {
		a.dialling = nil
	}
	a.redial()
	a.settle()
}

// take takes one message of a server.
func (a *agent) take(c *conn, m api.ServerMessage) {
	switch {
	case !a.alive || c.agentClosed:
		return
	case m.Error != nil:
		a.lost(c, m.Error.Message)
		return
	case a.dialling == c && m.Welcome != nil:
		a.connected(c, m)
	case a.link == c:
		a.received(m)
	}
	a.settle()
}

// connected takes the welcome: the whole pod set replaces what was desired.
func (a *agent) connected(c *conn, m api.ServerMessage) {
	a.machine.sim.note("%s: welcomed by s%d with %d pods", a.machine.name, c.server.id, len(m.Welcome.Pods))
	a.link, a.dialling, a.failures = c, nil, 0
	a.sent = a.machine.clock.Boot().Milliseconds() // each renewal has its own number
	a.acked = a.sent
	a.outbox.Reset()
	clear(a.fetching)
	a.desired = reconcile.Desired{Known: true, Epoch: m.Welcome.Epoch, Pods: map[api.PodKey]api.PodAssignment{}}
	a.keepTemplates(m.Templates)
	for _, want := range m.Welcome.Pods {
		a.desired.Pods[want.Key] = want
		if a.rebooted && a.pods[want.Key] == nil && want.State == api.PodBound {
			a.lostPods[want.Key] = true
		}
	}
	a.rebooted = false
	for _, key := range sortedKeys(a.pods) {
		a.tellAgain(a.pods[key])
	}
	a.renew(c)
}

// tellAgain repeats a fact that the store lacks.
func (a *agent) tellAgain(p *pod) {
	want, desired := a.desired.Pods[p.Assignment.Key]
	if !desired {
		return
	}
	p.Epoch = a.desired.Epoch
	if p.report.State != "" && p.report.State != want.State && !want.State.Ended() {
		a.outbox.Add(p.report)
	}
}

// renew renews the lease as long as this link lives.
func (a *agent) renew(c *conn) {
	if a.link != c {
		return
	}
	if a.sent-a.acked >= renewsUnheard {
		a.lost(c, "no answer to renewals")
		return
	}
	a.sent++
	c.toServer(api.KubeletMessage{Renew: &api.KubeletRenew{Seq: a.sent, BootID: a.machine.status().BootID}})
	a.later(renewEvery, func() { a.renew(c) })
}

// received takes one message on the link.
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
	if m.RenewAck != 0 {
		a.acked = m.RenewAck
	}
	if m.ReportAck != 0 {
		a.outbox.Ack(m.ReportAck)
	}
	for _, key := range m.Stale {
		a.machine.sim.count("stale report")
		a.release(key)
		if p := a.pods[key]; p != nil {
			p.Refused = true
		}
	}
	for _, signal := range m.Signals {
		a.link.toServer(api.KubeletMessage{Signals: []api.SignalResult{{ID: signal.ID}}})
	}
}

func (a *agent) release(key api.PodKey) {
	delete(a.desired.Pods, key)
	delete(a.lostPods, key)
	if p := a.pods[key]; p != nil {
		p.Epoch = a.desired.Epoch
	}
}

func (a *agent) keepTemplates(templates []api.KubeletTemplate) {
	for _, t := range templates {
		a.templates[t.Hash] = t
		delete(a.fetching, t.Hash)
		for _, p := range a.pods {
			if p.Phase == reconcile.PhaseDelayed && p.missing > 0 && p.Assignment.Template == t.Hash {
				p.NotBefore = a.machine.clock.Now()
			}
		}
	}
}
