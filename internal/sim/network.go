package sim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/stream"
)

// network is all that lies between nodes and servers. A connection is a TCP connection: what arrives
// comes in order and once. It may stall, break, or die in one direction without anybody being told;
// what was under way is then lost, and is said again on another connection.
type network struct {
	sim *Sim
	rng *rand.Rand
	// blocked links lead nowhere until the given time.
	blocked map[link]time.Duration
	conns   []*conn
}

// link is one direction between a node and a server.
type link struct {
	node   string
	server int
	up     bool // from the node to the server
}

func newNetwork(s *Sim) *network {
	return &network{sim: s, rng: s.source("network"), blocked: map[link]time.Duration{}}
}

func (n *network) block(l link, d time.Duration) {
	n.sim.note("link %s→s%d up=%t is blocked for %s", l.node, l.server, l.up, d)
	n.blocked[l] = max(n.blocked[l], n.sim.now+d)
}

func (n *network) isBlocked(l link) bool { return n.blocked[l] > n.sim.now }

// delay is the way of one message; a few take much longer than the rest.
func (n *network) delay() time.Duration {
	d := upTo(n.rng, n.sim.plan.DelayMax)
	if !n.sim.healed && percent(n.rng, 1) {
		d += upTo(n.rng, 5*time.Second)
	}
	return d
}

// open returns the connections that neither side has closed.
func (n *network) open() []*conn {
	n.conns = slices.DeleteFunc(n.conns, func(c *conn) bool { return c.agentClosed && c.serverClosed })
	return n.conns
}

// conn is one connection of a kubelet to a server, from one life of each to the other.
type conn struct {
	net        *network
	machine    *machine
	agent      *agent
	server     *server
	serverLife int
	session    *stream.Session
	bootID     string
	heardAt    time.Duration

	agentClosed, serverClosed bool
	upCut, downCut            bool          // nothing arrives any more
	upAt, downAt              time.Duration // when the last message arrives
}

// connect makes a connection to a server that is there; nil if there is none.
func (n *network) connect(a *agent, v *server) *conn {
	m := a.machine
	if !v.alive || n.isBlocked(link{m.name, v.id, true}) || n.isBlocked(link{m.name, v.id, false}) {
		return nil
	}
	c := &conn{net: n, machine: m, agent: a, server: v, serverLife: v.life, heardAt: n.sim.now}
	n.conns = append(n.open(), c)
	return c
}

// alive says whether the kubelet at the other end would answer.
func (c *conn) alive() bool { return !c.agentClosed && !c.upCut && !c.downCut && c.agent.alive }

func (c *conn) toServer(m api.KubeletMessage) {
	c.carry(true, func() {
		c.server.later(0, func() {
			if !c.serverClosed {
				c.server.receive(c, m)
			}
		})
	})
}

func (c *conn) toAgent(messages ...api.ServerMessage) {
	for _, m := range messages {
		c.carry(false, func() { c.agent.take(c, m) })
	}
}

// carry brings one thing over in one direction, behind all that was sent before. A message that meets
// a blocked link is lost, and so is all that follows it.
func (c *conn) carry(up bool, arrive func()) {
	n, last, cut := c.net, &c.downAt, &c.downCut
	if up {
		last, cut = &c.upAt, &c.upCut
	}
	l := link{c.machine.name, c.server.id, up}
	if n.isBlocked(l) {
		*cut = true
	}
	if *cut || (up && c.agentClosed) || (!up && c.serverClosed) {
		return
	}
	*last = max(*last, n.sim.now+n.delay())
	n.sim.after(*last-n.sim.now, func() {
		if n.isBlocked(l) {
			*cut = true
		}
		if !*cut {
			arrive()
		}
	})
}

// closeByAgent ends the kubelet's side; the server learns of it if the news arrives.
func (c *conn) closeByAgent() {
	if c.agentClosed {
		return
	}
	c.carry(true, func() {
		c.server.later(0, func() { c.server.end(c, "the kubelet hung up") })
	})
	c.agentClosed = true
}

// closeByServer ends the server's side.
func (c *conn) closeByServer() {
	if c.serverClosed {
		return
	}
	c.carry(false, func() { c.agent.lost(c, "the server hung up") })
	c.serverClosed = true
}

// refuse tells the kubelet why, and ends the connection.
func (c *conn) refuse(e *api.Error) {
	c.toAgent(api.ServerMessage{Error: e})
	c.closeByServer()
}

// sever breaks the connection: each side is told after a while of its own, or finds out by silence.
func (c *conn) sever() {
	c.net.sim.note("the connection %s-s%d breaks", c.machine.name, c.server.id)
	c.upCut = c.upCut || c.net.rng.IntN(2) == 0
	c.downCut = c.downCut || c.net.rng.IntN(2) == 0
	if c.net.rng.IntN(2) == 0 {
		c.net.sim.after(upTo(c.net.rng, 2*time.Second), func() { c.agent.lost(c, "it broke") })
	}
	if c.net.rng.IntN(2) == 0 {
		c.server.later(upTo(c.net.rng, 2*time.Second), func() { c.server.end(c, "it broke") })
	}
	c.net.sim.after(upTo(c.net.rng, 20*time.Second), func() { c.upCut, c.downCut = true, true })
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
