package apiserver

import (
	"context"
	"net/http"
	"regexp"

	"github.com/coxswain-hpc/coxswain/api"
)

// nodeNames: what DNS allows, in lower case, so that a node's name is safe in paths, cgroups and
// certificates.
var nodeNames = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func nodeNameOK(name string) bool { return nodeNames.MatchString(name) }

// NamePath is the name of an object in a path.
type NamePath struct {
	Name string `path:"name" maxLength:"255"`
}

type nodeUpdate struct {
	NamePath
	IfMatchHeader
	body[api.NodeSpec]
}

func (s *Server) nodeOperations() {
	handle(s, operation("list-nodes", http.MethodGet, "/v1/nodes", "List nodes by name"), s.listNodes)
	handle(s, operation("get-node", http.MethodGet, "/v1/nodes/{name}", "Read a node"), s.getNode)
	handle(s, operation("update-node", http.MethodPatch, "/v1/nodes/{name}",
		"Replace what admins decide about a node"), s.updateNode)
	handle(s, operation("delete-node", http.MethodDelete, "/v1/nodes/{name}",
		"Forget a node that holds no pods"), s.deleteNode)
}

func (s *Server) listNodes(ctx context.Context, in *Paging) (*reply[page[api.Node]], error) {
	nodes, err := s.store.ListNodes(ctx, in.Page, in.limit())
	return okPage(nodes, nextName(nodes, in.limit(), func(n api.Node) string { return n.Name }), err)
}

// nextName is the page token of a list in the order of names: the last name, if there may be more.
func nextName[T any](items []T, limit int, name func(T) string) string {
	if len(items) < limit || len(items) == 0 {
		return ""
	}
	return name(items[len(items)-1])
}

func (s *Server) getNode(ctx context.Context, in *NamePath) (*versioned[api.Node], error) {
	n, err := s.store.GetNode(ctx, in.Name)
	return okVersion(n, n.Generation, err)
}

func (s *Server) updateNode(ctx context.Context, in *nodeUpdate) (*versioned[api.Node], error) {
	spec, err := in.decode()
	if err != nil {
		return nil, err
	}
	generation, err := in.generation()
	if err != nil {
		return nil, err
	}
	var wrong fieldErrors
	checkText("reason", spec.Reason, &wrong)
	for k, v := range spec.Labels {
		checkName("labels", k, &wrong)
		checkText("labels."+k, v, &wrong)
	}
	if err := wrong.err("the node can't be changed so"); err != nil {
		return nil, err
	}
	n, err := s.store.UpdateNodeSpec(ctx, in.Name, generation, s.clock.Now(), func(have *api.NodeSpec) error {
		*have = spec
		return nil
	})
	return okVersion(n, n.Generation, err)
}

func (s *Server) deleteNode(ctx context.Context, in *NamePath) (*nothing, error) {
	err := s.store.DeleteNode(ctx, in.Name, s.clock.Now())
	s.policy.forgetNodes([]string{in.Name})
	return done(err)
}

// done is the answer of an operation that has nothing to say.
func done(err error) (*nothing, error) {
	if err != nil {
		return nil, err
	}
	return &nothing{}, nil
}
