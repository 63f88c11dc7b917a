// Package authn finds out who sends a request.
//
// Words. A caller is who it turns out to be: a user (with the Unix identity that the server's name
// service gives), a kubelet (a node), another server, or nobody. Three kinds of proof count: the
// peer credentials of the local socket, a bearer token, a client certificate of the cluster's
// authority. Nothing that a request says about itself counts.
//
// The package must not decide what a caller may do: that is package authz.
package authn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authority"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// Caller is who sends a request. The zero Caller is nobody.
type Caller struct {
	// Identity is the Unix identity of a user; its User is empty for kubelets and servers.
	Identity api.Identity
	// User is the row of that user.
	User api.User
	// Admin: may do everything that an admin may.
	Admin bool
	// Node is set for a kubelet, with the enrolment that its certificate carries; Server for another
	// server of the cluster.
	Node      string
	Enrolment string
	Server    string
}

// Name is the caller's name for logs and events: the user's, or "node n1", "server s1".
func (c Caller) Name() string {
	switch {
	case c.Node != "":
		return "node " + c.Node
	case c.Server != "":
		return "server " + c.Server
	}
	return c.Identity.User
}

// Known says whether the caller is anybody at all.
func (c Caller) Known() bool { return c.Name() != "" }

// Names is the server's name service.
type Names interface {
	ByUID(ctx context.Context, uid int64) (api.Identity, error)
	ByName(ctx context.Context, name string) (api.Identity, error)
}

// Directory is what the store knows of users, tokens and nodes.
type Directory interface {
	// EnsureUser returns the user's row, made with the default account if there is none.
	EnsureUser(ctx context.Context, identity api.Identity) (api.User, error)
	// TokenByHash fails with api.CodeNotFound for a token that nobody made.
	TokenByHash(ctx context.Context, hash []byte) (api.Token, error)
	// Enrolled fails with api.CodeUnauthenticated if certificates of the node with that enrolment are
	// not good any more.
	Enrolled(ctx context.Context, node, enrolment string) error
}

// Authenticator finds the callers.
type Authenticator struct {
	Names     Names
	Directory Directory
	Clock     clock.Clock
	// ServerUID is the server's own uid: who runs the server is its admin.
	ServerUID int64
}

// Authenticate returns the caller of r, or an error with api.CodeUnauthenticated that says what is
// wrong with the proof, or another code when the proof can't be checked now.
func (a *Authenticator) Authenticate(r *http.Request) (Caller, error) {
	if peer, ok := PeerOf(r.Context()); ok {
		return a.local(r.Context(), peer)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return a.byCertificate(r)
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return Caller{}, api.Errorf(api.CodeUnauthenticated,
			"who are you? send a token (Authorization: Bearer …; `cox token create` makes one), "+
				"or use the server's local socket")
	}
	return a.byToken(r.Context(), strings.TrimSpace(token))
}

func (a *Authenticator) local(ctx context.Context, peer Peer) (Caller, error) {
	identity, err := a.Names.ByUID(ctx, peer.UID)
	if api.CodeOf(err) == api.CodeNotFound {
		return Caller{}, api.Errorf(api.CodeUnauthenticated,
			"uid %d has no user name on this machine, so no job could run as it; ask the admin to make the user",
			peer.UID)
	}
	if err != nil {
		return Caller{}, err
	}
	caller, err := a.user(ctx, identity)
	caller.Admin = caller.Admin || peer.UID == 0 || peer.UID == a.ServerUID
	return caller, err
}

func (a *Authenticator) user(ctx context.Context, identity api.Identity) (Caller, error) {
	row, err := a.Directory.EnsureUser(ctx, identity)
	if err != nil {
		return Caller{}, err
	}
	if row.Spec.UID != 0 && row.Spec.UID != identity.UID {
		return Caller{}, api.Errorf(api.CodeIdentityMismatch,
			"the cluster knows the user %s with uid %d, this machine with uid %d; "+
				"the admin has to settle which is right",
			row.Name, row.Spec.UID, identity.UID)
	}
	return Caller{Identity: identity, User: row, Admin: row.Spec.Admin}, nil
}

// byCertificate trusts the handshake: the chain leads to the cluster's authority, whose leaves carry
// exactly one organisation. A kubelet's leaf outlives its node, so that is looked up.
func (a *Authenticator) byCertificate(r *http.Request) (Caller, error) {
	subject := r.TLS.VerifiedChains[0][0].Subject
	organization := ""
	if len(subject.Organization) == 1 {
		organization = subject.Organization[0]
	}
	switch organization {
	case authority.OrganizationKubelet:
		caller := Caller{Node: subject.CommonName, Enrolment: subject.SerialNumber}
		return caller, a.Directory.Enrolled(r.Context(), caller.Node, caller.Enrolment)
	case authority.OrganizationServer:
		return Caller{Server: subject.CommonName}, nil
	}
	return Caller{}, api.Errorf(api.CodeUnauthenticated,
		"the client certificate is neither a kubelet's nor a server's")
}

func (a *Authenticator) byToken(ctx context.Context, text string) (Caller, error) {
	token, err := a.Token(ctx, text, TokenUser)
	if err != nil {
		return Caller{}, err
	}
	identity, err := a.Names.ByName(ctx, token.User)
	if api.CodeOf(err) == api.CodeNotFound {
		return Caller{}, api.Errorf(api.CodeUnauthenticated,
			"the token is for the user %s, whom the server's name service does not know any more", token.User)
	}
	if err != nil {
		return Caller{}, err
	}
	return a.user(ctx, identity)
}

// The uses of a token.
const (
	TokenUser = "user"
	TokenJoin = "join"
)

// Token finds the row of a token's text and checks that it holds for this use now.
func (a *Authenticator) Token(ctx context.Context, text, use string) (api.Token, error) {
	refused := api.Errorf(api.CodeUnauthenticated,
		"this token is not valid: it is mistyped, or of another cluster")
	id, secret, ok := SplitToken(text, use)
	if !ok {
		return api.Token{}, refused
	}
	token, err := a.Directory.TokenByHash(ctx, HashSecret(id, secret))
	if api.CodeOf(err) == api.CodeNotFound {
		return api.Token{}, refused
	}
	if err != nil {
		return api.Token{}, err
	}
	return token, tokenHolds(token, use, a.Clock.Now())
}

func tokenHolds(token api.Token, use string, now time.Time) error {
	switch {
	case token.Use != use:
		return api.Errorf(api.CodeUnauthenticated, "this is a %s token; it does not serve here", token.Use)
	case token.RevokedAt != nil:
		return api.Errorf(api.CodeUnauthenticated, "token %s was revoked", token.ID)
	case !now.Before(token.ExpiresAt):
		return api.Errorf(api.CodeUnauthenticated, "token %s has expired", token.ID)
	case use == TokenJoin && token.UsedAt != nil:
		return api.Errorf(api.CodeUnauthenticated, "join token %s was used already; each joins one node",
			token.ID)
	}
	return nil
}

// SplitToken reads cox_<id>_<secret> (user) or cox1.<id>.<secret>.<fingerprint> (join).
func SplitToken(text, use string) (id, secret string, ok bool) {
	if use == TokenJoin {
		f := strings.Split(text, ".")
		if len(f) != 4 || f[0] != "cox1" {
			return "", "", false
		}
		return f[1], f[2], true
	}
	f := strings.Split(text, "_")
	if len(f) != 3 || f[0] != "cox" {
		return "", "", false
	}
	return f[1], f[2], true
}

// UserTokenText and JoinTokenText write the forms that SplitToken reads.
func UserTokenText(id, secret string) string { return "cox_" + id + "_" + secret }

// JoinTokenText also carries the authority's fingerprint, by which the new node knows the cluster.
func JoinTokenText(id, secret, fingerprint string) string {
	return "cox1." + id + "." + secret + "." + fingerprint
}

// HashSecret is what the store keeps of a token. The secret has 256 random bits, so that a plain hash
// is as good as a slow one.
func HashSecret(id, secret string) []byte {
	sum := sha256.Sum256([]byte(id + ":" + secret))
	return sum[:]
}

// Random is the text of n random bytes.
func Random(n int, read func([]byte) (int, error)) (string, error) {
	b := make([]byte, n)
	if _, err := read(b); err != nil {
		return "", api.Errorf(api.CodeInternal, "make a random secret: %w", err)
	}
	return hex.EncodeToString(b), nil
}
