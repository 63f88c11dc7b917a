package apiserver

import (
	"context"
	"net/http"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/authz"
)

const (
	tokenIDBytes     = 6
	tokenSecretBytes = 32
	// The lives of tokens: a join token is meant to be used at once.
	userTokenTTL    = 90 * 24 * time.Hour
	userTokenTTLMax = 366 * 24 * time.Hour
	joinTokenTTL    = time.Hour
	joinTokenTTLMax = 30 * 24 * time.Hour
)

type tokenRequest struct {
	Use        string `json:"use" enum:"user,join"`
	User       string `json:"user,omitempty" doc:"Whose token; the caller's by default"`
	TTLSeconds int64  `json:"ttl_seconds,omitempty" doc:"Default 90 days, for join tokens 1 hour"`
	Comment    string `json:"comment,omitempty"`
}

// newToken is a token with its text, which is shown this once, and with what else its holder needs to
// come in from another machine; a server that serves its local socket alone has none of that.
type newToken struct {
	api.Token
	Text    string `json:"token"`
	Cluster string `json:"cluster" doc:"The cluster's name"`
	URL     string `json:"server_url,omitempty" doc:"Where this server is reached over the network"`
	CAHash  string `json:"ca_hash,omitempty" doc:"The hash of the servers' certificate authority"`
}

type tokenCreate struct{ body[tokenRequest] }

// createdReply is an answer with 201.
type createdReply[T any] struct{ Body T }

// IDPath is the id of an object in a path.
type IDPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *Server) tokenOperations() {
	create := operation("create-token", http.MethodPost, "/v1/tokens",
		"Make a token; its text is shown only now")
	create.DefaultStatus = http.StatusCreated
	handle(s, create, s.createToken)
	handle(s, operation("list-tokens", http.MethodGet, "/v1/tokens", "List one's tokens; admins see all"),
		s.listTokens)
	handle(s, operation("delete-token", http.MethodDelete, "/v1/tokens/{id}", "Revoke a token"),
		s.deleteToken)
}

func (s *Server) createToken(ctx context.Context, in *tokenCreate) (*createdReply[newToken], error) {
	request, err := in.decode()
	if err != nil {
		return nil, err
	}
	caller := authn.CallerOf(ctx)
	if request.User == "" {
		request.User = caller.Identity.User
	}
	ttl, err := s.checkToken(caller, request)
	if err != nil {
		return nil, err
	}
	token := api.Token{
		Use: request.Use, CreatedAt: s.clock.Now(), ExpiresAt: s.clock.Now().Add(ttl),
		CreatedBy: caller.Name(), Comment: request.Comment,
	}
	if token.Use == authn.TokenUser {
		token.User = request.User
	}
	text, err := s.storeToken(ctx, &token)
	if err != nil {
		return nil, err
	}
	return &createdReply[newToken]{Body: s.withPlace(newToken{Token: token, Text: text})}, nil
}

// withPlace adds where the token is good.
func (s *Server) withPlace(t newToken) newToken {
	t.Cluster = s.options.ClusterName
	if where := s.url.Load(); where != nil && s.options.Authority != nil {
		t.URL, t.CAHash = *where, s.options.Authority.Fingerprint()
	}
	return t
}

// checkToken says how long the token lives, or why it isn't made.
func (s *Server) checkToken(caller authn.Caller, r tokenRequest) (time.Duration, error) {
	var wrong fieldErrors
	checkText("comment", r.Comment, &wrong)
	ttl, longest := userTokenTTL, userTokenTTLMax
	switch r.Use {
	case authn.TokenJoin:
		ttl, longest = joinTokenTTL, joinTokenTTLMax
		if !caller.Admin {
			return 0, api.Errorf(api.CodeForbidden, "only an admin may make join tokens")
		}
		if s.options.Authority == nil {
			return 0, api.Errorf(api.CodeUnsupported,
				"this server serves its local socket alone, so no node can join")
		}
	case authn.TokenUser:
		if err := authz.MayChange(caller, r.User, "a token for "+r.User); err != nil {
			return 0, err
		}
	default:
		wrong.add("use", "must be user or join")
	}
	checkRange("ttl_seconds", r.TTLSeconds, 0, int64(longest/time.Second), &wrong)
	if r.TTLSeconds > 0 {
		ttl = time.Duration(r.TTLSeconds) * time.Second
	}
	return ttl, wrong.err("the token can't be made so")
}

func (s *Server) storeToken(ctx context.Context, token *api.Token) (text string, err error) {
	if token.ID, err = authn.Random(tokenIDBytes, s.random); err != nil {
		return "", err
	}
	secret, err := authn.Random(tokenSecretBytes, s.random)
	if err != nil {
		return "", err
	}
	if err := s.store.CreateToken(ctx, *token, authn.HashSecret(token.ID, secret)); err != nil {
		return "", err
	}
	if token.Use == authn.TokenJoin {
		return authn.JoinTokenText(token.ID, secret, s.options.Authority.Fingerprint()), nil
	}
	return authn.UserTokenText(token.ID, secret), nil
}

func (s *Server) listTokens(ctx context.Context, in *Paging) (*reply[page[api.Token]], error) {
	tokens, err := s.store.ListTokens(ctx, in.Page, in.limit())
	next := nextName(tokens, in.limit(), func(t api.Token) string { return t.ID })
	caller := authn.CallerOf(ctx)
	visible := []api.Token{}
	for _, t := range tokens {
		if caller.Admin || t.User == caller.Identity.User {
			visible = append(visible, t)
		}
	}
	return okPage(visible, next, err)
}

func (s *Server) deleteToken(ctx context.Context, in *IDPath) (*nothing, error) {
	token, err := s.store.GetToken(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := authz.MayChange(authn.CallerOf(ctx), token.User, "token "+token.ID); err != nil {
		return nil, err
	}
	err = s.store.RevokeToken(ctx, in.ID, s.clock.Now())
	s.policy.clear()
	return done(err)
}
