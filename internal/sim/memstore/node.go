package memstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// RegisterNode makes the node's row, or refreshes it from its kubelet's report.
func (s *Store) RegisterNode(
	_ context.Context, name string, status api.NodeStatus, now time.Time,
) (node api.Node, err error) {
	err = s.write(func(t *touched) error {
		if _, has := s.nodes[name]; has {
			node = s.refreshNode(name, status, t)
			return nil
		}
		status.State, status.Since, status.RegisteredAt = api.NodeReady, instant(now), instant(now)
		node = api.Node{Name: name, Generation: 1, Status: status}
		s.putNode(node, 0, t)
		return nil
	})
	return node, err
}

func (s *Store) putNode(n api.Node, term int64, t *touched) {
	before := s.nodes[n.Name]
	s.nodes[n.Name] = n
	t.node(n.Name)
	if s.options.Observer != nil {
		s.options.Observer.NodeChanged(before, n, term)
	}
}

// UpdateNodeStatus stores changed inventory or conditions of a known node.
func (s *Store) UpdateNodeStatus(_ context.Context, name string, status api.NodeStatus) error {
	return s.write(func(t *touched) error {
		if _, has := s.nodes[name]; !has {
			return noNode(name)
		}
		s.refreshNode(name, status, t)
		return nil
	})
}

func noNode(name string) error { return api.Errorf(api.CodeNotFound, "there is no node %s", name) }

// refreshNode takes a report; the generation rises with what can be placed.
func (s *Store) refreshNode(name string, status api.NodeStatus, t *touched) api.Node {
	n := s.nodes[name]
	if len(status.Conditions) == 0 {
		status.Conditions = nil
	}
	same := sameJSON(n.Status.Inventory, status.Inventory)
	if same && n.Status.BootID == status.BootID && n.Status.KubeletVersion == status.KubeletVersion &&
		sameJSON(n.Status.Conditions, status.Conditions) {
		return n
	}
	if !same {
		n.Generation++
	}
	status.State, status.Since, status.RegisteredAt = n.Status.State, n.Status.Since, n.Status.RegisteredAt
	n.Status = status
	s.putNode(n, 0, t)
	return n
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

func (s *Store) setNodeState(c api.NodeStateChange, term int64, t *touched) {
	if n, has := s.nodes[c.Name]; has {
		n.Status.State, n.Status.Since = c.State, instant(c.Since)
		s.putNode(n, term, t)
	}
}

// UpdateNodeSpec lets change edit what admins decide about a node.
func (s *Store) UpdateNodeSpec(
	_ context.Context, name string, generation int64, _ time.Time, change func(*api.NodeSpec) error,
) (node api.Node, err error) {
	err = s.write(func(t *touched) error {
		n, has := s.nodes[name]
		if !has {
			return noNode(name)
		}
		if generation != 0 && generation != n.Generation {
			return api.Errorf(api.CodeConflict, "node %s has generation %d, not %d: read it again and retry",
				name, n.Generation, generation)
		}
		if err := change(&n.Spec); err != nil {
			return err
		}
		n.Generation++
		s.putNode(n, 0, t)
		node = n
		return nil
	})
	return node, err
}

// RenewLeases stores renewals, outside of the feed. Those of unknown nodes are dropped.
func (s *Store) RenewLeases(_ context.Context, leases []api.Lease) error {
	s.read(func() {
		for _, l := range leases {
			if _, has := s.nodes[l.Node]; has {
				s.leases[l.Node] = l
				if s.options.Observer != nil {
					s.options.Observer.LeaseRenewed(l)
				}
			}
		}
	})
	return nil
}

// Leases reads all node leases.
func (s *Store) Leases(context.Context) (out []api.Lease, err error) {
	s.read(func() { out = all(s.leases) })
	return out, nil
}
