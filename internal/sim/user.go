package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// users submit jobs, change their minds, and play the admin.
type users struct {
	sim  *Sim
	rng  *rand.Rand
	jobs []api.JobID
	size map[api.JobID]int64
	seq  int
	// drained are the nodes that the admin has drained.
	drained map[string]bool
	script  []byte
}

// longScript is more than half of what the server puts into a welcome.
const longScript = 5 << 20

func newUsers(s *Sim) *users {
	u := &users{sim: s, rng: s.source("users"), size: map[api.JobID]int64{}, drained: map[string]bool{}}
	u.script = []byte("#!/bin/sh")
	if s.plan.LongScripts {
		u.script = make([]byte, longScript)
	}
	return u
}

// makePolicy is what EnsureDefaults does.
func (u *users) makePolicy() {
	s := u.sim.store
	_, errA := s.PutAccount(u.sim.ctx, api.DefaultName, 0, api.AccountSpec{}, noon)
	_, errQ := s.PutQOS(u.sim.ctx, api.DefaultName, 0, api.QOSSpec{}, noon)
	_, errH := s.PutQOS(u.sim.ctx, "high", 0, api.QOSSpec{Priority: 10}, noon)
	_, errP := s.PutPartition(u.sim.ctx, api.DefaultName, 0, api.PartitionSpec{Default: true}, noon)
	if err := errors.Join(errA, errQ, errH, errP); err != nil {
		u.sim.fail("make the defaults: %w", err)
	}
}

func (u *users) begin() { u.sim.after(around(u.rng, u.sim.plan.JobEvery), u.act) }

// act is one act of one user, and plans the next.
func (u *users) act() {
	if u.sim.healed {
		return
	}
	switch {
	case percent(u.rng, u.sim.plan.Wishes):
		u.wishAboutSome()
	case u.seq < u.sim.plan.JobsMax:
		u.submit(api.SubmitParams{Submit: u.draw(), Now: u.now()})
	}
	u.begin()
}

func (u *users) now() time.Time { return noon.Add(u.sim.now) }

// server is one that answers now, or nil.
func (u *users) server() *server {
	v := u.sim.servers[u.rng.IntN(len(u.sim.servers))]
	if !v.alive || v.pausedUntil > u.sim.now {
		return nil
	}
	return v
}

// submit submits until a server has answered: a repeated request must not make a second job.
func (u *users) submit(p api.SubmitParams) {
	retry := func() { u.sim.after(time.Second+upTo(u.rng, time.Second), func() { u.submit(p) }) }
	array, err := api.ParseArray(p.Submit.Spec.Array)
	if err != nil {
		u.sim.fail("draw a job: %w", err)
		return
	}
	p.Size = array.Len()
	if u.sim.healed { // nobody releases or cancels any more
		p.Submit.Spec.Hold, p.Submit.Spec.KeepOnInvalidDependency = false, false
		p.Submit.Spec.Roles[0].Count, p.Submit.Spec.ExcludedNodes = 1, nil
	}
	v := u.server()
	if v == nil {
		retry()
		return
	}
	job, existed, err := v.store.SubmitJob(u.sim.ctx, p)
	if err != nil {
		retry()
		return
	}
	u.sim.note("job %d is submitted (again: %t): %s array=%q cpus=%d deps=%v", job.ID, existed, job.Spec.Name,
		job.Spec.Array, job.Spec.Roles[0].Template.Main().Requests.CPUMillis/api.MillisPerCPU, job.Spec.Dependencies)
	u.sim.count("submit")
	u.jobs, u.size[job.ID] = append(u.jobs, job.ID), p.Size
}

// draw draws a job.
func (u *users) draw() api.JobSubmit {
	u.seq++
	r, plan := u.rng, u.sim.plan
	spec := api.JobSpec{
		Name: fmt.Sprintf("job%d", r.IntN(5)), Account: api.DefaultName,
		Partition: api.DefaultName, QOS: api.DefaultName,
		Owner:            api.Identity{User: []string{"ada", "bob"}[r.IntN(2)], UID: 2000, GID: 2000},
		TimeLimitSeconds: int64(1 + r.IntN(3*plan.JobSeconds)), GraceSeconds: int64(r.IntN(20)),
		NoRequeue: r.IntN(5) == 0, Exclusive: r.IntN(15) == 0, Hold: r.IntN(20) == 0,
		Roles: []api.Role{{Name: "main", Count: 1, Template: u.template()}},
	}
	if r.IntN(5) == 0 {
		spec.QOS = "high"
	}
	if r.IntN(12) == 0 {
		spec.NodeNames = []string{u.sim.someNode(r)}
	}
	if r.IntN(4) == 0 {
		spec.RequeueExitCodes = []int{7}
	}
	if r.IntN(10) == 0 {
		at := u.now().Add(upTo(r, 3*time.Minute))
		spec.BeginAt = &at
	}
	if plan.ArrayTasks > 1 && r.IntN(3) == 0 {
		spec.Array = u.array()
	}
	if plan.Gangs && r.IntN(3) == 0 {
		spec.Roles[0].Count = int32(1 + r.IntN(3))
	}
	if plan.Dependencies && len(u.jobs) > 0 && r.IntN(3) == 0 {
		spec.Dependencies, spec.DependencyAny = u.dependencies(), r.IntN(4) == 0
		spec.KeepOnInvalidDependency = r.IntN(4) == 0
	}
	return api.JobSubmit{
		RequestID: fmt.Sprintf("request-%d", u.seq), Spec: spec, Payload: api.Payload{Script: u.script},
	}
}

func (u *users) template() api.PodTemplate {
	r := u.rng
	cpus := int64(1 + r.IntN(max(1, u.sim.plan.NodeCPUs)))
	if r.IntN(2) == 0 {
		cpus = 1
	}
	requests := api.Resources{CPUMillis: cpus * api.MillisPerCPU, MemoryBytes: 1 + r.Int64N(cpus*memoryPerCPU)}
	limits := requests
	switch r.IntN(6) {
	case 0: // burstable
		requests.CPUMillis = 1 + r.Int64N(requests.CPUMillis)
	case 1: // besteffort
		requests, limits = api.Resources{}, api.Resources{}
	}
	return api.PodTemplate{Containers: []api.Container{{Name: "main", Main: true, Requests: requests, Limits: limits}}}
}

func (u *users) array() string {
	n := u.rng.IntN(u.sim.plan.ArrayTasks)
	expr := fmt.Sprintf("%d-%d", u.rng.IntN(3), 3+n)
	if u.rng.IntN(3) == 0 {
		expr += ":2"
	}
	if u.rng.IntN(2) == 0 {
		expr += fmt.Sprintf("%%%d", 1+u.rng.IntN(4))
	}
	return expr
}

func (u *users) dependencies() (out []api.Dependency) {
	kinds := []api.DependencyKind{
		api.DependencyAfter, api.DependencyAfterAny, api.DependencyAfterOK, api.DependencyAfterNotOK,
		api.DependencyAfterCorr, api.DependencySingleton,
	}
	for range 1 + u.rng.IntN(2) {
		d := api.Dependency{Kind: kinds[u.rng.IntN(len(kinds))], OnIndex: api.NoIndex}
		d.On = u.jobs[len(u.jobs)-1-u.rng.IntN(min(len(u.jobs), 6))]
		switch {
		case d.Kind == api.DependencySingleton:
			d.On = 0
		case d.Kind == api.DependencyAfter:
			d.DelaySeconds = int64(u.rng.IntN(3) * 30)
		case d.Kind != api.DependencyAfterCorr && u.size[d.On] > 1 && u.rng.IntN(2) == 0:
			d.OnIndex = int64(u.rng.IntN(8))
		}
		out = append(out, d)
	}
	return out
}

// behaviour is what the program of an attempt does: the same whenever it is asked.
func (u *users) behaviour(key api.PodKey, ordinal int64) behaviour {
	r := rand.New(rand.NewPCG(u.sim.seed^uint64(key.Owner)<<20,
		uint64(ordinal)<<32|uint64(key.Rank)<<16|uint64(key.Attempt)))
	b := behaviour{runs: time.Millisecond + around(r, time.Duration(u.sim.plan.JobSeconds)*time.Second)}
	b.deafTERM = r.IntN(4) == 0
	switch r.IntN(12) {
	case 0:
		b.code = 1
	case 1:
		b.outOfMem = true
	case 2:
		if key.Attempt < 4 {
			b.code = 7
		}
	}
	return b
}

// wishAboutSome is a wish about one of the last jobs.
func (u *users) wishAboutSome() {
	if len(u.jobs) > 0 && !u.sim.healed {
		u.wish(u.jobs[len(u.jobs)-1-u.rng.IntN(min(len(u.jobs), 10))])
	}
}

// wish is one wish about a job; what the server says to it is of no interest.
func (u *users) wish(id api.JobID) {
	v := u.server()
	if v == nil {
		return
	}
	var some api.Ranges
	if n := u.size[id]; n > 1 && u.rng.IntN(2) == 0 {
		from := u.rng.Int64N(n)
		some = api.Ranges{{From: from, To: min(n, from+1+u.rng.Int64N(4))}}
	}
	what := wishes[u.rng.IntN(len(wishes))]
	err := what.make(u, v, id, some)
	u.sim.note("wish %s about job %d %s: %v", what.name, id, some, err)
}

// wishes is what users may wish of a job, or of some of its tasks.
var wishes = []struct { //nolint:gochecknoglobals // a table
	name string
	make func(u *users, v *server, id api.JobID, some api.Ranges) error
}{
	{"cancel", func(u *users, v *server, id api.JobID, some api.Ranges) error {
		return v.store.CancelJob(u.sim.ctx, id, some, "ada", u.now())
	}},
	{"requeue", func(u *users, v *server, id api.JobID, some api.Ranges) error {
		return v.store.RequeueJob(u.sim.ctx, id, some, "ada", u.now())
	}},
	{"hold tasks", func(u *users, v *server, id api.JobID, some api.Ranges) error {
		return v.store.HoldIndices(u.sim.ctx, id, some, len(some) > 0, u.now())
	}},
	{"hold", edit(func(_ *users, s *api.JobSpec) { s.Hold = !s.Hold })},
	{"time limit", edit(func(u *users, s *api.JobSpec) {
		s.TimeLimitSeconds = int64(1 + u.rng.IntN(3*u.sim.plan.JobSeconds))
	})},
	{"nice", edit(func(u *users, s *api.JobSpec) { s.Nice = int64(u.rng.IntN(100)) })},
	{"comment", edit(func(_ *users, s *api.JobSpec) { s.Comment = "changed" })},
	{"exclude", edit(func(u *users, s *api.JobSpec) { s.ExcludedNodes = []string{u.sim.someNode(u.rng)} })},
	{"begin", edit(func(u *users, s *api.JobSpec) {
		at := u.now().Add(upTo(u.rng, time.Minute))
		s.BeginAt = &at
	})},
	{"exclusive", edit(func(_ *users, s *api.JobSpec) { s.Exclusive = !s.Exclusive })},
	{"signal", func(u *users, v *server, id api.JobID, _ api.Ranges) error { return u.signal(v, id) }},
}

// edit is a wish that changes the spec.
func edit(change func(u *users, s *api.JobSpec)) func(*users, *server, api.JobID, api.Ranges) error {
	return func(u *users, v *server, id api.JobID, _ api.Ranges) error {
		_, err := v.store.UpdateJobSpec(u.sim.ctx, id, 0, u.now(), func(s *api.JobSpec) error {
			change(u, s)
			return nil
		})
		return err
	}
}

func (s *Sim) someNode(r *rand.Rand) string { return s.machines[r.IntN(len(s.machines))].name }

func (u *users) signal(v *server, id api.JobID) error {
	_, pods, err := v.store.Jobs(u.sim.ctx, []api.JobID{id})
	if err != nil {
		return err
	}
	var keys []api.PodKey
	for _, p := range pods {
		keys = append(keys, p.Key)
	}
	return v.store.SignalPods(u.sim.ctx, keys, "USR1", false, u.now())
}

// drain takes a node out of work, or puts it back.
func (u *users) drain(node string, drained bool) {
	_, err := u.sim.store.UpdateNodeSpec(u.sim.ctx, node, 0, u.now(), func(s *api.NodeSpec) error {
		s.Unschedulable = drained
		return nil
	})
	if err == nil {
		u.sim.note("admin: %s unschedulable=%t", node, drained)
		u.drained[node] = drained
	}
}

// shut closes the partition, or opens it again.
func (u *users) shut(down bool) {
	spec := api.PartitionSpec{Default: true, Down: down}
	if _, err := u.sim.store.PutPartition(u.sim.ctx, api.DefaultName, 0, spec, u.now()); err != nil {
		u.sim.fail("put the partition: %w", err)
	}
	u.sim.note("admin: partition down=%t", down)
}

// relent releases all that is held and cancels what can never start, so that every job can end.
func (u *users) relent() {
	for _, id := range u.jobs {
		job, err := u.sim.store.GetJob(u.sim.ctx, id)
		if err != nil || job.Status.State.Ended() {
			continue
		}
		_, errSpec := u.sim.store.UpdateJobSpec(u.sim.ctx, id, 0, u.now(), func(s *api.JobSpec) error {
			s.Hold = false
			return nil
		})
		errIndex := u.sim.store.HoldIndices(u.sim.ctx, id, nil, false, u.now())
		if job.Spec.KeepOnInvalidDependency || !u.sim.feasible(job) {
			errIndex = errors.Join(errIndex, u.sim.store.CancelJob(u.sim.ctx, id, nil, "ada", u.now()))
		}
		if err := errors.Join(errSpec, errIndex); err != nil {
			u.sim.fail("release job %d: %w", id, err)
		}
	}
	u.shut(false)
	for _, m := range u.sim.machines {
		if u.drained[m.name] {
			u.drain(m.name, false)
		}
	}
}
