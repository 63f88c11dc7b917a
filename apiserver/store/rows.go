package store

import (
	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// This file turns rows into nouns; nothing else does.

func jobOf(r db.Job) api.Job {
	return api.Job{
		ID: api.JobID(r.ID), Generation: r.Generation, Spec: r.Spec,
		Status: api.JobStatus{
			State: api.JobState(r.State), Reason: api.Reason(r.Reason), Message: r.Message,
			Waiting: r.Waiting, Released: r.Released, Counts: r.Counts, ExitCode: int(r.ExitCode),
			SubmittedAt: r.SubmittedAt, EligibleAt: r.EligibleAt, StartedAt: r.StartedAt,
			EndedAt: r.EndedAt, Restarts: r.Restarts,
		},
	}
}

func jobsOf(rows []db.Job) []api.Job {
	out := make([]api.Job, len(rows))
	for i, r := range rows {
		out[i] = jobOf(r)
	}
	return out
}

func recordOf(r db.Job) api.JobRecord {
	return api.JobRecord{
		Job: jobOf(r), CancelWanted: r.CancelWanted, CancelBy: r.CancelBy,
		RequeueWanted: r.RequeueWanted, RequeueServed: r.RequeueServed,
	}
}

// indexOf shows a requeue as wanted while it is not seen: see WantIndexRequeue.
func indexOf(r db.JobIndex) api.JobIndex {
	return api.JobIndex{
		Instance: api.Instance{Owner: api.JobID(r.JobID), Index: r.Idx, Rank: r.Rank},
		Ordinal:  r.Ordinal, TaskID: api.JobID(r.TaskID), Attempt: r.Attempt, Retries: r.Retries,
		Hold: r.Held, CancelWanted: r.CancelWanted, RequeueWanted: r.RequeueWanted != r.RequeueSeen,
		NotBefore: r.NotBefore, ExcludedNodes: emptyToNil(r.ExcludedNodes),
	}
}

func emptyToNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func podOf(r db.Pod, timeLimitSeconds int64) api.Pod {
	return api.Pod{
		Key: podKey(r.Owner, r.Idx, r.Rank, r.Attempt), Ordinal: r.Ordinal, TaskID: api.JobID(r.TaskID),
		Role: r.Role, Node: r.Node, State: api.PodState(r.State), Class: api.ResourceClass(r.Class),
		Resources: api.Resources{CPUMillis: r.CPUMillis, MemoryBytes: r.MemoryBytes}, CPUs: r.CPUs,
		Term: r.Term, TimeLimitSeconds: timeLimitSeconds, BoundAt: r.BoundAt, StartedAt: r.StartedAt,
		EndedAt: r.EndedAt, ReleasedAt: r.ReleasedAt, Stop: r.Stop, Exit: r.Exit,
	}
}

func nodeOf(r db.Node) api.Node {
	conditions := r.Conditions
	if len(conditions) == 0 {
		conditions = nil
	}
	return api.Node{
		Name: r.Name, Generation: r.Generation, Spec: r.Spec,
		Status: api.NodeStatus{
			State: api.NodeState(r.State), Since: r.Since, Inventory: r.Inventory, Conditions: conditions,
			BootID: r.BootID, KubeletVersion: r.KubeletVersion, RegisteredAt: r.RegisteredAt,
		},
	}
}

func nodesOf(rows []db.Node) []api.Node {
	out := make([]api.Node, len(rows))
	for i, r := range rows {
		out[i] = nodeOf(r)
	}
	return out
}

func signalOf(r db.PodSignal) api.PodSignal {
	return api.PodSignal{
		ID: r.ID, Key: podKey(r.Owner, r.Idx, r.Rank, r.Attempt), Signal: r.Signal, BatchOnly: r.BatchOnly,
	}
}

func eventOf(r db.Event) api.Event {
	return api.Event{
		ID: r.ID, At: r.At, Kind: api.Kind(r.Kind), Object: r.Object,
		Pod: r.Pod, Reason: api.Reason(r.Reason),
		Message: r.Message, Actor: r.Actor,
	}
}

func tokenOf(r db.Token) api.Token {
	t := api.Token{
		ID: r.ID, Use: r.Use, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, UsedAt: r.UsedAt,
		RevokedAt: r.RevokedAt, CreatedBy: r.CreatedBy, Comment: r.Comment,
	}
	if r.UserName != nil {
		t.User = *r.UserName
	}
	return t
}

func leaseOf(r db.NodeLease) api.Lease { return api.Lease{Node: r.Node, BootID: r.BootID, Seq: r.Seq} }
