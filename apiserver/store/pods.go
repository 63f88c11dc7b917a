package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// nodePodsMax bounds the unreleased pods of one node that its stream carries.
const nodePodsMax = 10_000

// PodsByKeys reads pods; those that don't exist are left out.
func (s *Store) PodsByKeys(ctx context.Context, keys []api.PodKey) ([]api.Pod, error) {
	pods, err := podsByKeys(ctx, s.q, keys)
	return pods, interpretError("read pods", err)
}

func podsByKeys(ctx context.Context, q *db.Queries, keys []api.PodKey) ([]api.Pod, error) {
	k := podKeysOf(keys)
	rows, err := q.PodsByKeys(ctx, db.PodsByKeysParams{
		Owners: k.owners, Indices: k.indices, Ranks: k.ranks, Attempts: k.attempts, MaxRows: loadPodsMax,
	})
	if err != nil {
		return nil, fmt.Errorf("read pods: %w", err)
	}
	out := make([]api.Pod, len(rows))
	for i, r := range rows {
		out[i] = podOf(r.Pod, r.TimeLimitSeconds)
	}
	return out, nil
}

// NodePods reads the unreleased pods of a node, as the node needs them.
func (s *Store) NodePods(ctx context.Context, node string) ([]api.PodAssignment, error) {
	rows, err := s.q.NodeAssignments(ctx, node, nodePodsMax)
	if err != nil {
		return nil, interpretError(what("read the pods of node %s", node), err)
	}
	out := make([]api.PodAssignment, len(rows))
	earlier := map[api.Instance]*api.PodAssignment{}
	for i, r := range rows {
		out[i] = assignmentOf(db.AssignmentsByKeysRow(r)).PodAssignment
		noteEarlier(earlier, &out[i], false)
	}
	return out, interpretError("read earlier attempts", countRestarts(ctx, s.q, earlier))
}

// noteEarlier picks the pods that have earlier attempts; of a pod that is over nobody asks for them.
func noteEarlier(list map[api.Instance]*api.PodAssignment, a *api.PodAssignment, released bool) {
	if a.Key.Attempt > 1 && !released {
		list[a.Key.Instance] = a
	}
}

// countRestarts takes off the attempts in which the user's program was never started. Most pods have
// no earlier attempt, and then nothing is read.
func countRestarts(ctx context.Context, q *db.Queries, list map[api.Instance]*api.PodAssignment) error {
	var keys []api.PodKey
	for instance, a := range list {
		for n := int32(1); n < a.Key.Attempt; n++ {
			keys = append(keys, api.PodKey{Instance: instance, Attempt: n})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	pods, err := podsByKeys(ctx, q, keys)
	for _, p := range pods {
		if p.NeverRan() {
			list[p.Key.Instance].Restarts--
		}
	}
	return err
}

// Assignments reads pods as their nodes need them, released ones too.
func (s *Store) Assignments(ctx context.Context, keys []api.PodKey) ([]api.NodeAssignment, error) {
	k := podKeysOf(keys)
	rows, err := s.q.AssignmentsByKeys(ctx, db.AssignmentsByKeysParams{
		Owners: k.owners, Indices: k.indices, Ranks: k.ranks, Attempts: k.attempts, MaxRows: loadPodsMax,
	})
	if err != nil {
		return nil, interpretError("read pods for their nodes", err)
	}
	out := make([]api.NodeAssignment, len(rows))
	earlier := map[api.Instance]*api.PodAssignment{}
	for i, r := range rows {
		out[i] = assignmentOf(r)
		noteEarlier(earlier, &out[i].PodAssignment, out[i].Released)
	}
	return out, interpretError("read earlier attempts", countRestarts(ctx, s.q, earlier))
}

func assignmentOf(r db.AssignmentsByKeysRow) api.NodeAssignment {
	pod := podOf(r.Pod, r.TimeLimitSeconds)
	role := max(slices.Index(r.RoleNames, pod.Role), 0)
	return api.NodeAssignment{
		Node: pod.Node, Released: pod.ReleasedAt != nil,
		PodAssignment: api.PodAssignment{
			Key: pod.Key, Ordinal: pod.Ordinal, TaskID: pod.TaskID, Role: pod.Role, Class: pod.Class,
			Resources: pod.Resources, CPUs: pod.CPUs,
			TimeLimitSeconds: pod.TimeLimitSeconds, State: pod.State,
			Stop: pod.Stop, Restarts: pod.Key.Attempt - 1,
			Template: fmt.Sprintf("%d.%d.%d", pod.Key.Owner, role, r.JobGeneration),
		},
	}
}

// Template returns what the pods of a job's role share. The name is <job>.<role>.<generation>; an
// older generation gives the template of today under the name that was asked for: what a pod that
// was placed before the change needs has not changed.
func (s *Store) Template(ctx context.Context, name string) (api.KubeletTemplate, error) {
	id, role, err := parseTemplateName(name)
	if err != nil {
		return api.KubeletTemplate{}, err
	}
	var t api.KubeletTemplate
	err = s.snapshot(ctx, what("read template %s", name), func(q *db.Queries) error {
		job, err := q.GetJob(ctx, int64(id))
		if err != nil {
			return jobError(id, err)
		}
		payload, err := q.GetPayload(ctx, int64(id))
		if err != nil {
			return jobError(id, err)
		}
		meta, err := q.GetMeta(ctx)
		if err != nil {
			return fmt.Errorf("read the cluster's name: %w", err)
		}
		t, err = newTemplate(name, role, job, payload, meta.ClusterName)
		return err
	})
	return t, err
}

func parseTemplateName(name string) (id api.JobID, role int, err error) {
	parts := strings.Split(name, ".")
	if len(parts) == 3 {
		id, err = api.ParseJobID(parts[0])
		var errRole error
		if role, errRole = strconv.Atoi(parts[1]); err == nil && errRole == nil {
			return id, role, nil
		}
	}
	return 0, 0, api.Errorf(api.CodeInvalidID, "%q names no template", name)
}

func newTemplate(
	name string, role int, job db.Job, payload db.JobPayload, cluster string,
) (api.KubeletTemplate, error) {
	if role < 0 || role >= len(job.Spec.Roles) {
		return api.KubeletTemplate{}, api.Errorf(api.CodeNotFound, "job %d has no role %d", job.ID, role)
	}
	t := api.KubeletTemplate{
		Hash: name, Job: api.JobID(job.ID), Spec: job.Spec,
		Role: role, Payload: payloadOf(payload), Cluster: cluster,
	}
	array, err := api.ParseArray(job.Spec.Array)
	if err != nil {
		return api.KubeletTemplate{}, fmt.Errorf("read the array of job %d: %w", job.ID, err)
	}
	if array.IsArray() {
		t.ArrayCount, t.ArrayStep = array.Len(), array.Step()
		t.ArrayMin, t.ArrayMax = array.Min(), array.Max()
	}
	return t, nil
}

// SignalPods puts a signal on its way to those of the pods that have not ended.
func (s *Store) SignalPods(ctx context.Context, keys []api.PodKey, signal string, batchOnly bool, now time.Time) error {
	k := podKeysOf(keys)
	doing := what("signal %d pods", len(keys))
	return s.write(ctx, doing, now, func(q *db.Queries, touched *api.Touched) error {
		rows, err := q.AddSignals(ctx, db.AddSignalsParams{
			Signal: signal, BatchOnly: batchOnly, At: now,
			Owners: k.owners, Indices: k.indices, Ranks: k.ranks,
			Attempts: k.attempts,
		})
		if err != nil {
			return fmt.Errorf("store the signals: %w", err)
		}
		nodes := map[string]bool{}
		for _, r := range rows {
			touched.Signals = append(touched.Signals, r.ID)
			nodes[r.Node] = true
		}
		touched.Nodes = sortedKeys(nodes)
		return nil
	})
}

// NodeSignals reads the signals on their way to a node's pods.
func (s *Store) NodeSignals(ctx context.Context, node string) ([]api.PodSignal, error) {
	rows, err := s.q.NodeSignals(ctx, node, nodePodsMax)
	if err != nil {
		return nil, interpretError(what("read the signals for node %s", node), err)
	}
	out := make([]api.PodSignal, len(rows))
	for i, r := range rows {
		out[i] = signalOf(r)
	}
	return out, nil
}

// AckSignals ends the way of signals that the node has dealt with.
func (s *Store) AckSignals(ctx context.Context, node string, ids []int64) error {
	return interpretError(what("acknowledge signals of node %s", node), s.q.AckSignals(ctx, node, ids))
}
