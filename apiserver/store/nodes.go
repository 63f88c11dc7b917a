package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// RegisterNode makes the node's row, or refreshes it from its kubelet's report. The generation
// rises when what can be placed on the node has changed.
func (s *Store) RegisterNode(ctx context.Context, name string, status api.NodeStatus, now time.Time) (api.Node, error) {
	return s.reportNode(ctx, name, status, now, func(*db.Queries) (bool, error) { return true, nil })
}

// UpdateNodeStatus stores changed inventory or conditions of a known node.
func (s *Store) UpdateNodeStatus(ctx context.Context, name string, status api.NodeStatus) error {
	known := func(*db.Queries) (bool, error) { return false, nil }
	_, err := s.reportNode(ctx, name, status, s.options.Clock.Now(), known)
	return err
}

// reportNode stores a report. mayCreate says whether the node's row is made if there is none.
func (s *Store) reportNode(
	ctx context.Context, name string, status api.NodeStatus, now time.Time, mayCreate func(*db.Queries) (bool, error),
) (node api.Node, err error) {
	now = instant(now)
	doing := what("store the report of node %s", name)
	err = s.write(ctx, doing, now, func(q *db.Queries, touched *api.Touched) error {
		create, err := mayCreate(q)
		if err != nil {
			return err
		}
		if create {
			row, err := q.InsertNode(ctx, insertNode(name, status, now))
			if err == nil {
				node = nodeOf(row)
				touchNode(touched, name)
				return nil
			}
			if !noRows(err) {
				return fmt.Errorf("insert node: %w", err)
			}
		}
		have, err := q.LockNode(ctx, name)
		if err != nil {
			return nodeError(name, err)
		}
		if node = nodeOf(have); sameReport(node.Status, status) {
			return nil
		}
		row, err := q.UpdateNodeReport(ctx, updateNode(have, status))
		if err != nil {
			return fmt.Errorf("update node: %w", err)
		}
		node = nodeOf(row)
		touchNode(touched, name)
		return nil
	})
	return node, err
}

func insertNode(name string, status api.NodeStatus, now time.Time) db.InsertNodeParams {
	return db.InsertNodeParams{
		Name: name, Inventory: status.Inventory, Conditions: conditions(status), BootID: status.BootID,
		KubeletVersion: status.KubeletVersion, RegisteredAt: now,
	}
}

func updateNode(have db.Node, status api.NodeStatus) db.UpdateNodeReportParams {
	generation := have.Generation
	if !sameJSON(have.Inventory, status.Inventory) {
		generation++
	}
	return db.UpdateNodeReportParams{
		Name: have.Name, Generation: generation, Inventory: status.Inventory, Conditions: conditions(status),
		BootID: status.BootID, KubeletVersion: status.KubeletVersion,
	}
}

// conditions is never nil: the column holds a list.
func conditions(status api.NodeStatus) []api.Condition {
	return append([]api.Condition{}, status.Conditions...)
}

func sameReport(a, b api.NodeStatus) bool {
	return a.BootID == b.BootID && a.KubeletVersion == b.KubeletVersion &&
		sameJSON(a.Inventory, b.Inventory) &&
		sameJSON(conditions(a), conditions(b))
}

// sameJSON compares what would be stored.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

func touchNode(touched *api.Touched, name string) {
	touched.Nodes = append(touched.Nodes, name)
	touched.ChangedNodes = append(touched.ChangedNodes, name)
}

func nodeError(name string, err error) error {
	if noRows(err) {
		return api.Errorf(api.CodeNotFound, "there is no node %s", name)
	}
	return interpretError(what("read node %s", name), err)
}

// GetNode reads a node.
func (s *Store) GetNode(ctx context.Context, name string) (api.Node, error) {
	row, err := s.q.GetNode(ctx, name)
	if err != nil {
		return api.Node{}, nodeError(name, err)
	}
	return nodeOf(row), nil
}

// ListNodes reads nodes by name, after a name ("" for the first page).
func (s *Store) ListNodes(ctx context.Context, after string, limit int) ([]api.Node, error) {
	rows, err := s.q.ListNodes(ctx, after, pageLimit(limit))
	if err != nil {
		return nil, interpretError("list nodes", err)
	}
	return nodesOf(rows), nil
}

// UpdateNodeSpec lets change edit what admins decide about a node. A generation other than 0 must
// be the node's.
func (s *Store) UpdateNodeSpec(
	ctx context.Context, name string, generation int64, now time.Time, change func(*api.NodeSpec) error,
) (node api.Node, err error) {
	err = s.write(ctx, what("update node %s", name), now, func(q *db.Queries, touched *api.Touched) error {
		have, err := q.LockNode(ctx, name)
		if err != nil {
			return nodeError(name, err)
		}
		if generation != 0 && generation != have.Generation {
			return api.Errorf(api.CodeConflict,
				"node %s has generation %d, not %d: read it again and retry",
				name, have.Generation, generation)
		}
		if err := change(&have.Spec); err != nil {
			return err
		}
		row, err := q.UpdateNodeSpec(ctx, db.UpdateNodeSpecParams{
			Spec: have.Spec, Name: name, Generation: have.Generation,
		})
		if err != nil {
			return fmt.Errorf("write its spec: %w", err)
		}
		node = nodeOf(row)
		touchNode(touched, name)
		return nil
	})
	return node, err
}

// DeleteNode forgets a node that holds no pods, and its enrolment: the machine has to join again.
func (s *Store) DeleteNode(ctx context.Context, name string, now time.Time) error {
	return s.write(ctx, what("delete node %s", name), now, func(q *db.Queries, touched *api.Touched) error {
		// The enrolment first, in the order of RegisterEnrolled.
		if err := q.DeleteEnrolment(ctx, name); err != nil {
			return fmt.Errorf("delete its enrolment: %w", err)
		}
		if _, err := q.LockNode(ctx, name); err != nil {
			return nodeError(name, err)
		}
		n, err := q.DeleteNode(ctx, name)
		if err != nil {
			return fmt.Errorf("delete its row: %w", err)
		}
		if n == 0 {
			return api.Errorf(api.CodeConflict, "node %s still holds pods; drain it first", name)
		}
		touchNode(touched, name)
		return nil
	})
}

// RenewLeases stores renewals, outside of the feed. Those of unknown nodes are dropped.
func (s *Store) RenewLeases(ctx context.Context, leases []api.Lease) error {
	var p db.RenewLeasesParams
	at := map[string]int{}
	for _, l := range leases {
		if i, twice := at[l.Node]; twice {
			p.BootIds[i], p.Seqs[i] = l.BootID, l.Seq
			continue
		}
		at[l.Node] = len(p.Nodes)
		p.Nodes = append(p.Nodes, l.Node)
		p.BootIds = append(p.BootIds, l.BootID)
		p.Seqs = append(p.Seqs, l.Seq)
	}
	return interpretError("renew leases", s.q.RenewLeases(ctx, p))
}

// Leases reads all node leases.
func (s *Store) Leases(ctx context.Context) ([]api.Lease, error) {
	rows, err := s.q.Leases(ctx, loadNodesMax)
	if err != nil {
		return nil, interpretError("read the node leases", err)
	}
	out := make([]api.Lease, len(rows))
	for i, r := range rows {
		out[i] = leaseOf(r)
	}
	return out, nil
}
