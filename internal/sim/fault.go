package sim

import (
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// startFaults plans each kind of fault that the plan has.
func (s *Sim) startFaults() {
	for _, f := range []struct {
		mean   time.Duration
		happen func()
	}{
		{s.plan.ServerCrash, s.crashServer},
		{s.plan.ServerPause, func() { s.someServer().pause(upTo(s.faults, 40*time.Second)) }},
		{s.plan.StoreOutage, s.storeOutage},
		{s.plan.StoreCut, func() { s.someServer().cutOff(upTo(s.faults, 60*time.Second)) }},
		{s.plan.Partition, s.partition},
		{s.plan.Break, s.breakConnection},
		{s.plan.Flap, func() { s.flap(s.someMachine(), s.now+upTo(s.faults, 3*time.Minute)) }},
		{s.plan.KubeletCrash, s.crashKubelet},
		{s.plan.Reboot, func() { s.haltMachine(upTo(s.faults, 90*time.Second)) }},
		{s.plan.NodeDeath, func() { s.haltMachine(5*time.Minute + upTo(s.faults, 5*time.Minute)) }},
		{s.plan.ShimLost, s.loseShim},
		{s.plan.DropFeed, func() { s.note("the feed is dropped"); s.store.DropFeed() }},
		{s.plan.Drain, func() { m := s.someMachine(); s.users.drain(m.name, !s.users.drained[m.name]) }},
		{
			s.plan.Shut,
			func() { s.users.shut(true); s.after(upTo(s.faults, time.Minute), func() { s.users.shut(false) }) },
		},
		{s.plan.Offer, func() { m := s.someMachine(); m.offer(1 + s.faults.IntN(m.cpus)) }},
	} {
		if f.mean > 0 {
			s.repeat(f.mean, f.happen)
		}
	}
}

// repeat lets something happen again and again until all heals.
func (s *Sim) repeat(mean time.Duration, happen func()) {
	s.after(around(s.faults, mean), func() {
		if s.healed {
			return
		}
		s.count("fault")
		happen()
		s.repeat(mean, happen)
	})
}

func (s *Sim) someServer() *server   { return s.servers[s.faults.IntN(len(s.servers))] }
func (s *Sim) someMachine() *machine { return s.machines[s.faults.IntN(len(s.machines))] }

func (s *Sim) crashServer() {
	v := s.someServer()
	if !v.alive {
		return
	}
	v.crash()
	s.after(upTo(s.faults, 30*time.Second), func() {
		if !v.alive {
			v.boot()
		}
	})
}

// cutOff takes a server's way to the store.
func (v *server) cutOff(d time.Duration) {
	v.sim.note("server %s is cut off from the store for %s", v.name(), d)
	v.cutUntil = v.sim.now + d
}

func (s *Sim) storeOutage() {
	d := upTo(s.faults, 90*time.Second)
	if s.faults.IntN(10) == 0 {
		d = 6 * time.Minute // longer than any node may be silent
	}
	s.note("the store is away for %s", d)
	s.storeDownUntil = s.now + d
}

// partition cuts a node from one server or from all, in one direction or in both.
func (s *Sim) partition() {
	m, d := s.someMachine(), upTo(s.faults, 2*time.Minute)
	up, down, all := s.faults.IntN(3) > 0, s.faults.IntN(3) > 0, s.faults.IntN(2) == 0
	if s.faults.IntN(3) == 0 { // its pods are given up, and run on
		d, up, all = 7*time.Minute, true, true
	}
	one := s.someServer()
	for _, v := range s.servers {
		if !all && v != one {
			continue
		}
		if up {
			s.net.block(link{m.name, v.id, true}, d)
		}
		if down {
			s.net.block(link{m.name, v.id, false}, d)
		}
	}
}

func (s *Sim) breakConnection() {
	if open := s.net.open(); len(open) > 0 {
		open[s.faults.IntN(len(open))].sever()
	}
}

// flap breaks a node's connection again and again: none lives for longer than some seconds.
func (s *Sim) flap(m *machine, until time.Duration) {
	if s.now > until || s.healed {
		return
	}
	if m.agent != nil && m.agent.link != nil {
		m.agent.link.sever()
	}
	s.after(time.Second+upTo(s.faults, 8*time.Second), func() { s.flap(m, until) })
}

func (s *Sim) crashKubelet() {
	m := s.someMachine()
	if !m.up || m.agent == nil {
		return
	}
	m.stopKubelet()
	if percent(s.faults, s.plan.LostCheckpoint) {
		s.note("%s loses its state directory", m.name)
		m.records, m.exits = map[api.PodKey]record{}, map[api.PodKey]exit{}
	}
	s.after(upTo(s.faults, time.Minute), m.startKubelet)
}

func (s *Sim) haltMachine(d time.Duration) {
	m := s.someMachine()
	if !m.up {
		return
	}
	m.halt()
	s.after(d, func() {
		if !m.up {
			m.boot()
		}
	})
}

func (s *Sim) loseShim() {
	m := s.someMachine()
	if keys := sortedKeys(m.procs); len(keys) > 0 {
		m.loseShim(keys[s.faults.IntN(len(keys))])
	}
}

// heal ends all faults and brings everything back.
func (s *Sim) heal() {
	s.note("all heals")
	s.healed = true
	s.storeDownUntil = 0
	clear(s.net.blocked)
	for _, v := range s.servers {
		v.cutUntil, v.pausedUntil = 0, 0
		if !v.alive {
			v.boot()
		}
	}
	for _, m := range s.machines {
		m.offer(m.cpus)
		switch {
		case !m.up:
			m.boot()
		case m.agent == nil:
			m.startKubelet()
		}
	}
	s.users.relent()
}
