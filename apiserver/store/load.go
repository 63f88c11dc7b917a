package store

import (
	"context"
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// Limits of one read of the leader. They are far above what a cluster has: a read that meets one
// fails, it is never cut short.
const (
	loadJobsMax  = 1_000_000
	loadPodsMax  = 2_000_000
	loadNodesMax = 100_000
	loadRowsMax  = 5_000_000 // indices, dependencies
	policyMax    = 100_000   // accounts, users, QOS, partitions, each
)

// Load reads the whole world in one snapshot, with the cursor that it is true for.
func (s *Store) Load(ctx context.Context) (api.World, error) {
	var w api.World
	err := s.snapshot(ctx, "load the world", func(q *db.Queries) error {
		w = api.World{}
		return loadWorld(ctx, q, &w)
	})
	if err != nil {
		return api.World{}, err
	}
	return w, nil
}

func loadWorld(ctx context.Context, q *db.Queries, w *api.World) error {
	cursor, err := snapshotCursor(ctx, q)
	if err != nil {
		return err
	}
	w.Cursor, w.Epoch = cursor, cursor.Epoch
	jobs, err := q.OpenJobs(ctx, loadJobsMax)
	if err != nil {
		return fmt.Errorf("read the open jobs: %w", err)
	}
	if w.Jobs, err = records(ctx, q, jobs); err != nil {
		return err
	}
	pods, err := q.LivePods(ctx, loadPodsMax)
	if err != nil {
		return fmt.Errorf("read the live pods: %w", err)
	}
	for _, p := range pods {
		w.Pods = append(w.Pods, podOf(p.Pod, p.TimeLimitSeconds))
	}
	nodes, err := q.ListNodes(ctx, "", loadNodesMax)
	if err != nil {
		return fmt.Errorf("read the nodes: %w", err)
	}
	w.Nodes = nodesOf(nodes)
	if err := loadPolicy(ctx, q, w); err != nil {
		return err
	}
	return checkFull(len(jobs), loadJobsMax, len(pods), loadPodsMax, len(nodes), loadNodesMax)
}

func loadPolicy(ctx context.Context, q *db.Queries, w *api.World) (err error) {
	if w.Accounts, err = accounts.page(ctx, q, "", policyMax); err != nil {
		return err
	}
	if w.Users, err = users.page(ctx, q, "", policyMax); err != nil {
		return err
	}
	if w.QOS, err = qoses.page(ctx, q, "", policyMax); err != nil {
		return err
	}
	w.Partitions, err = partitions.page(ctx, q, "", policyMax)
	return err
}

// checkFull takes pairs of how many rows came and how many were asked for.
func checkFull(pairs ...int) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] >= pairs[i+1] {
			return api.Errorf(api.CodeLimit, "the database holds more than %d rows of a kind; "+
				"the leader can't load them", pairs[i+1])
		}
	}
	return nil
}

// Changes reads what changed since the cursor as current rows, mutually consistent and never older
// than the returned cursor.
func (s *Store) Changes(ctx context.Context, since api.Cursor) (api.Changes, error) {
	page, err := s.Feed(ctx, since, 0)
	if err != nil {
		return api.Changes{}, err
	}
	if isEmpty(page.Touched) {
		return api.Changes{Cursor: page.Cursor}, nil
	}
	var c api.Changes
	err = s.snapshot(ctx, "read what changed", func(q *db.Queries) error {
		c = api.Changes{Cursor: page.Cursor}
		return readChanges(ctx, q, page.Touched, &c)
	})
	if err != nil {
		return api.Changes{}, err
	}
	return c, nil
}

func readChanges(ctx context.Context, q *db.Queries, t api.Touched, c *api.Changes) error {
	if len(t.Jobs) > 0 {
		jobs, err := jobsAndDependents(ctx, q, int64s(t.Jobs))
		if err != nil {
			return err
		}
		if c.Jobs, err = records(ctx, q, jobs); err != nil {
			return err
		}
	}
	if len(t.Pods) > 0 {
		pods, err := podsByKeys(ctx, q, t.Pods)
		if err != nil {
			return err
		}
		c.Pods = pods
	}
	if len(t.ChangedNodes) > 0 {
		nodes, err := q.NodesByNames(ctx, t.ChangedNodes, loadNodesMax)
		if err != nil {
			return fmt.Errorf("read changed nodes: %w", err)
		}
		c.Nodes = nodesOf(nodes)
		c.RemovedNodes = missing(t.ChangedNodes, c.Nodes, func(n api.Node) string { return n.Name })
	}
	return readPolicyChanges(ctx, q, t, c)
}

func readPolicyChanges(ctx context.Context, q *db.Queries, t api.Touched, c *api.Changes) (err error) {
	if c.Accounts, err = accounts.named(ctx, q, t.Accounts); err != nil {
		return err
	}
	if c.Users, err = users.named(ctx, q, t.Users); err != nil {
		return err
	}
	if c.QOS, err = qoses.named(ctx, q, t.QOS); err != nil {
		return err
	}
	if c.Partitions, err = partitions.named(ctx, q, t.Partitions); err != nil {
		return err
	}
	c.RemovedQOS = missing(t.QOS, c.QOS, func(x api.QOS) string { return x.Name })
	c.RemovedPartitions = missing(t.Partitions, c.Partitions, func(x api.Partition) string { return x.Name })
	return nil
}

// missing lists the names that have no row any more.
func missing[T any](names []string, rows []T, name func(T) string) []string {
	there := map[string]bool{}
	for _, row := range rows {
		there[name(row)] = true
	}
	var out []string
	for _, n := range names {
		if !there[n] {
			out = append(out, n)
		}
	}
	return out
}

// Jobs reads current records of some jobs, ended ones too, with their unreleased pods.
func (s *Store) Jobs(ctx context.Context, ids []api.JobID) (recs []api.JobRecord, pods []api.Pod, err error) {
	err = s.snapshot(ctx, "read jobs", func(q *db.Queries) error {
		jobs, err := q.JobsByIDs(ctx, int64s(ids), loadJobsMax)
		if err != nil {
			return fmt.Errorf("read jobs: %w", err)
		}
		if recs, err = records(ctx, q, jobs); err != nil {
			return err
		}
		rows, err := q.LivePodsOfJobs(ctx, int64s(ids), loadPodsMax)
		if err != nil {
			return fmt.Errorf("read their pods: %w", err)
		}
		pods = nil
		for _, p := range rows {
			pods = append(pods, podOf(p.Pod, p.TimeLimitSeconds))
		}
		return nil
	})
	return recs, pods, err
}

// TakeIDs takes n consecutive numbers of the job id sequence and returns the first.
func (s *Store) TakeIDs(ctx context.Context, term int64, n int) (api.JobID, error) {
	pool, err := s.leaderPool(ctx, term)
	if err != nil {
		return 0, err
	}
	id, err := takeIDs(ctx, pool, term, n)
	return id, interpretError(what("take %d job ids", n), err)
}

// CompletedOrdinals reads which instances of a job have a completed pod.
func (s *Store) CompletedOrdinals(ctx context.Context, id api.JobID) (api.Ranges, error) {
	set, err := s.q.CompletedOrdinals(ctx, int64(id))
	if err != nil {
		return nil, interpretError(what("read the completed tasks of job %d", id), err)
	}
	return set, nil
}
