package store

import (
	"context"
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// Enrol uses a join token up and makes it the enrolment of a node: certificates of that name count from
// now on only if they carry the token's id. It fails as UseToken does.
func (s *Store) Enrol(ctx context.Context, tokenID, node string, now time.Time) error {
	used := instant(now)
	doing := what("enrol node %s", node)
	return s.write(ctx, doing, used, func(q *db.Queries, touched *api.Touched) error {
		n, err := q.UseToken(ctx, &used, tokenID)
		if err != nil {
			return fmt.Errorf("use the join token: %w", err)
		}
		if n == 0 {
			return tokenUsed(tokenID)
		}
		touched.Tokens = []string{tokenID}
		return q.PutEnrolment(ctx, node, tokenID)
	})
}

// Enrolled says whether a certificate of a node is good: nil, or CodeUnauthenticated. The enrolment is
// what the certificate carries; empty for one from before there were enrolments.
func (s *Store) Enrolled(ctx context.Context, node, enrolment string) error {
	gone, err := s.NotEnrolled(ctx, map[string]string{node: enrolment})
	if err == nil && len(gone) > 0 {
		return notEnrolled(node)
	}
	return err
}

// NotEnrolled returns those nodes whose certificates, with the given enrolments, are not good.
func (s *Store) NotEnrolled(ctx context.Context, enrolments map[string]string) (gone []string, err error) {
	nodes := make([]string, 0, len(enrolments))
	for name := range enrolments {
		nodes = append(nodes, name)
	}
	rows, err := s.q.Enrolments(ctx, nodes, loadNodesMax)
	if err != nil {
		return nil, interpretError("look for enrolments", err)
	}
	for _, row := range rows {
		if have := enrolments[row.Node]; have != row.ID || have == "" && !row.Known {
			gone = append(gone, row.Node)
		}
	}
	return gone, nil
}

func notEnrolled(node string) error {
	return api.Errorf(api.CodeUnauthenticated, "node %s was deleted from the cluster, or has joined again with "+
		"another certificate; to bring this machine in, remove credentials.json from its kubelet's state "+
		"directory and start that with a new join token (`cox token create --join`)", node)
}

// RegisterEnrolled is RegisterNode for a kubelet with a certificate of that enrolment. It is decided
// under a lock, so that a node which is deleted at the same moment stays deleted.
func (s *Store) RegisterEnrolled(
	ctx context.Context, name, enrolment string, status api.NodeStatus, now time.Time,
) (api.Node, error) {
	return s.reportNode(ctx, name, status, now, func(q *db.Queries) (create bool, err error) {
		have, err := q.ShareEnrolment(ctx, name)
		if err != nil && !noRows(err) {
			return false, fmt.Errorf("look for its enrolment: %w", err)
		}
		if have != enrolment {
			return false, notEnrolled(name)
		}
		return enrolment != "", nil
	})
}
