package memstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// NodePods reads the unreleased pods of a node, as the node needs them.
func (s *Store) NodePods(_ context.Context, node string) (out []api.PodAssignment, err error) {
	s.read(func() {
		for _, key := range sortedPods(s.live) {
			if s.pods[key].Node == node {
				out = append(out, s.assignment(key).PodAssignment)
			}
		}
	})
	return out, nil
}

// Assignments reads pods as their nodes need them, released ones too.
func (s *Store) Assignments(_ context.Context, keys []api.PodKey) (out []api.NodeAssignment, err error) {
	s.read(func() {
		set := map[api.PodKey]bool{}
		addAll(set, keys)
		for _, key := range sortedPods(set) {
			if _, has := s.pods[key]; has {
				out = append(out, s.assignment(key))
			}
		}
	})
	return out, nil
}

func (s *Store) assignment(key api.PodKey) api.NodeAssignment {
	p, job := s.pod(key), s.jobs[key.Owner].job
	role := max(slices.IndexFunc(job.Spec.Roles, func(r api.Role) bool { return r.Name == p.Role }), 0)
	return api.NodeAssignment{
		Node: p.Node, Released: p.ReleasedAt != nil,
		PodAssignment: api.PodAssignment{
			Key: p.Key, Ordinal: p.Ordinal, TaskID: p.TaskID, Role: p.Role, Class: p.Class,
			Resources: p.Resources, CPUs: p.CPUs, TimeLimitSeconds: p.TimeLimitSeconds, State: p.State,
			Stop: p.Stop, Restarts: s.restarts(p.Key),
			Template: fmt.Sprintf("%d.%d.%d", key.Owner, role, job.Generation),
		},
	}
}

// restarts counts the earlier attempts in which the user's program was started.
func (s *Store) restarts(key api.PodKey) int32 {
	n := key.Attempt - 1
	for earlier := int32(1); earlier < key.Attempt; earlier++ {
		if p, has := s.pods[api.PodKey{Instance: key.Instance, Attempt: earlier}]; has && p.NeverRan() {
			n--
		}
	}
	return n
}

// Template returns what the pods of a job's role share; an older name gives that of today.
func (s *Store) Template(_ context.Context, name string) (t api.KubeletTemplate, err error) {
	id, role, err := parseTemplateName(name)
	if err != nil {
		return t, err
	}
	s.read(func() {
		row := s.jobs[id]
		if row == nil || role < 0 || role >= len(row.job.Spec.Roles) {
			err = noJob(id)
			return
		}
		t = api.KubeletTemplate{
			Hash: name, Job: id, Spec: row.job.Spec, Role: role, Payload: row.payload, Cluster: s.options.ClusterName,
		}
		if array, bad := api.ParseArray(row.job.Spec.Array); bad == nil && array.IsArray() {
			t.ArrayCount, t.ArrayMin, t.ArrayMax, t.ArrayStep = array.Len(), array.Min(), array.Max(), array.Step()
		}
	})
	return t, err
}

func parseTemplateName(name string) (id api.JobID, role int, err error) {
	parts := strings.Split(name, ".")
	if len(parts) == 3 {
		id, err = api.ParseJobID(parts[0])
		role, errRole := strconv.Atoi(parts[1])
		if err == nil && errRole == nil {
			return id, role, nil
		}
	}
	return 0, 0, api.Errorf(api.CodeInvalidID, "%q names no template", name)
}

// ApplyReports stores facts about pods of the node and returns the attempts that are over.
func (s *Store) ApplyReports(
	_ context.Context, node string, reports []api.PodReport, _ time.Time,
) (stale []api.PodKey, err error) {
	err = s.write(func(t *touched) error {
		over := map[api.PodKey]bool{}
		for _, r := range foldReports(reports, over) {
			if !s.applyReport(node, r, t) {
				over[r.Key] = true
			}
		}
		stale = sortedPods(over)
		clear(t.nodes) // a node needn't be told what it reported
		return nil
	})
	return stale, err
}

// foldReports makes one report a pod of a batch: its last state, with the start of an earlier one. What
// can't follow what stands before it is over.
func foldReports(reports []api.PodReport, over map[api.PodKey]bool) []api.PodReport {
	var out []api.PodReport
	for _, r := range reports {
		if r.State == api.PodRunning && r.StartedAt == nil {
			r.StartedAt = &r.At
		}
		i := slices.IndexFunc(out, func(before api.PodReport) bool { return before.Key == r.Key })
		switch {
		case i < 0:
			out = append(out, r)
		case out[i].State == r.State:
		case out[i].State.CanStep(r.State):
			if r.StartedAt == nil {
				r.StartedAt = out[i].StartedAt
			}
			out[i] = r
		default:
			over[r.Key] = true
		}
	}
	return out
}

// applyReport returns false when the report makes no sense (any more).
func (s *Store) applyReport(node string, r api.PodReport, t *touched) bool {
	p, has := s.pods[r.Key]
	switch {
	case !has || p.Node != node:
		return false
	case p.State == r.State:
		return true
	case !p.State.CanStep(r.State):
		return false
	}
	p.State = r.State
	if p.StartedAt == nil {
		p.StartedAt = instantOf(r.StartedAt)
	}
	if r.State.Ended() {
		p.EndedAt = instantOf(&r.At)
	}
	if r.Exit != nil {
		p.Exit = r.Exit
	}
	s.putPod(p, 0, t)
	t.jobs[p.Key.Owner] = true
	return true
}

type signalRow struct {
	api.PodSignal
	node string
}

// SignalPods puts a signal on its way to those of the pods that have not ended.
func (s *Store) SignalPods(_ context.Context, keys []api.PodKey, signal string, batchOnly bool, _ time.Time) error {
	return s.write(func(t *touched) error {
		for _, key := range keys {
			p, has := s.pods[key]
			if !has || p.EndedAt != nil {
				continue
			}
			s.lastSignal++
			row := api.PodSignal{ID: s.lastSignal, Key: key, Signal: signal, BatchOnly: batchOnly}
			s.signals = append(s.signals, signalRow{row, p.Node})
			t.signals[row.ID], t.nodes[p.Node] = true, true
		}
		return nil
	})
}

// NodeSignals reads the signals on their way to a node's pods.
func (s *Store) NodeSignals(_ context.Context, node string) (out []api.PodSignal, err error) {
	s.read(func() {
		for _, x := range s.signals {
			if x.node == node {
				out = append(out, x.PodSignal)
			}
		}
	})
	return out, nil
}

// AckSignals ends the way of signals that the node has dealt with.
func (s *Store) AckSignals(_ context.Context, node string, ids []int64) error {
	s.read(func() {
		s.signals = slices.DeleteFunc(s.signals, func(x signalRow) bool {
			return x.node == node && slices.Contains(ids, x.ID)
		})
	})
	return nil
}
