package apiserver

import (
	"context"
	"net/http"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

type joinRequest struct {
	Token  string `json:"token"`
	CSRPEM string `json:"csr_pem"`
	Node   string `json:"node"`
}

type renewRequest struct {
	CSRPEM string `json:"csr_pem"`
}

// certificates are what a kubelet proves itself with, and by whom.
type certificates struct {
	CertificatePEM string `json:"certificate_pem"`
	CAPEM          string `json:"ca_pem"`
}

type (
	joinInput  struct{ body[joinRequest] }
	renewInput struct{ body[renewRequest] }
)

func (s *Server) kubeletOperations() {
	handle(s, operation("join-kubelet", http.MethodPost, "/v1/kubelets/join",
		"Turn a join token into a kubelet's certificate"), s.joinKubelet)
	handle(s, operation("renew-kubelet", http.MethodPost, "/v1/kubelets/renew",
		"Renew a kubelet's certificate"), s.renewKubelet)
}

// joinKubelet signs the certificate of a new node. The order matters: everything that can be refused
// is refused before the token is used up.
func (s *Server) joinKubelet(ctx context.Context, in *joinInput) (*reply[certificates], error) {
	request, err := in.decode()
	if err != nil {
		return nil, err
	}
	if s.options.Authority == nil {
		return nil, api.Errorf(api.CodeUnsupported,
			"this server has no certificate authority, so no node can join by it")
	}
	token, err := s.authn.Token(ctx, request.Token, authn.TokenJoin)
	if err != nil {
		return nil, err
	}
	if err := s.mayJoin(ctx, request.Node); err != nil {
		return nil, err
	}
	certificate, err := s.options.Authority.KubeletLeaf([]byte(request.CSRPEM), request.Node, token.ID,
		s.clock.Now())
	if err != nil {
		return nil, err
	}
	if err := s.store.Enrol(ctx, token.ID, request.Node, s.clock.Now()); err != nil {
		return nil, err
	}
	s.policy.clear()
	return ok(s.certificates(certificate), nil)
}

func (s *Server) certificates(certificate []byte) certificates {
	return certificates{CertificatePEM: string(certificate), CAPEM: string(s.options.Authority.CertificatePEM())}
}

// mayJoin refuses a name that cannot be one, and one whose node is heard.
func (s *Server) mayJoin(ctx context.Context, name string) error {
	if !nodeNameOK(name) {
		return &api.Error{
			Code: api.CodeInvalid, Message: "this can't be a node's name",
			Fields: []api.FieldError{
				{Field: "node", Message: "must be a host name in lower case: letters, digits, dots and hyphens"},
			},
		}
	}
	node, err := s.store.GetNode(ctx, name)
	if api.CodeOf(err) == api.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if node.Status.State != api.NodeDown {
		return api.Errorf(api.CodeExists,
			"a node %s is in the cluster and %s; give this kubelet another name (--node), or, "+
				"if this machine replaces it, run `cox node delete %s` first", name, node.Status.State, name)
	}
	return nil
}

func (s *Server) renewKubelet(ctx context.Context, in *renewInput) (*reply[certificates], error) {
	request, err := in.decode()
	if err != nil {
		return nil, err
	}
	if s.options.Authority == nil {
		return nil, api.Errorf(api.CodeUnsupported, "this server has no certificate authority")
	}
	caller := authn.CallerOf(ctx)
	certificate, err := s.options.Authority.KubeletLeaf([]byte(request.CSRPEM), caller.Node, caller.Enrolment,
		s.clock.Now())
	if err != nil {
		return nil, err
	}
	return ok(s.certificates(certificate), nil)
}
