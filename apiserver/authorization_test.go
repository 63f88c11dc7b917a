package apiserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver"
	"github.com/coxswain-hpc/coxswain/apiserver/authz"
)

// access is who gets past authorisation: nobody (no proof), bob (an ordinary user, about what is
// ada's), ada (its owner), the admin.
type access struct{ nobody, bob, ada, admin bool }

var (
	open      = access{true, true, true, true}
	users     = access{bob: true, ada: true, admin: true}
	owner     = access{ada: true, admin: true}
	ownerOnly = access{ada: true}
	admins    = access{admin: true}
	closed    = access{} // only kubelets; the tests of the stream get in
)

// accessCases has a row for every operation; JOB and TOKEN stand for ada's.
var accessCases = map[string]struct {
	body string
	want access
}{
	"submit-job":       {`{}`, users},
	"list-jobs":        {"", users},
	"get-job":          {"", users},
	"update-job":       {`{"name":"x"}`, owner},
	"cancel-job":       {"", owner},
	"hold-job":         {"", owner},
	"release-job":      {"", owner},
	"requeue-job":      {"", owner},
	"signal-job":       {`{"signal":"USR1"}`, owner},
	"explain-job":      {"", users},
	"get-job-payload":  {"", ownerOnly},
	"list-job-pods":    {"", users},
	"attach-job":       {"", ownerOnly},
	"job-logs":         {"", ownerOnly},
	"list-pods":        {"", users},
	"list-events":      {"", users},
	"list-nodes":       {"", users},
	"get-node":         {"", users},
	"update-node":      {`{}`, admins},
	"delete-node":      {"", admins},
	"list-accounts":    {"", users},
	"get-account":      {"", users},
	"put-account":      {`{}`, admins},
	"delete-account":   {"", admins},
	"list-users":       {"", users},
	"get-user":         {"", users},
	"put-user":         {`{"accounts":["default"]}`, admins},
	"delete-user":      {"", admins},
	"list-qos":         {"", users},
	"get-qos":          {"", users},
	"put-qos":          {`{}`, admins},
	"delete-qos":       {"", admins},
	"list-partitions":  {"", users},
	"get-partition":    {"", users},
	"put-partition":    {`{}`, admins},
	"delete-partition": {"", admins},
	"create-token":     {`{"use":"user","user":"ada"}`, owner},
	"list-tokens":      {"", users}, // each his own: TestTokensAreListedToTheirOwner
	"delete-token":     {"", owner},
	"whoami":           {"", users},
	"version":          {"", open},
	"watch":            {"", users},
	"join-kubelet":     {`{"token":"cox1.a.b.c","node":"n9"}`, closed}, // the token decides: TestJoinTokens
	"renew-kubelet":    {`{}`, closed},
	"kubelet-stream":   {"", closed},
	"kubelet-session":  {"", closed},
	"server-session":   {"", closed}, // another server: TestSessionsFindTheirServer
	"server-explain":   {"", closed}, // another server: TestWhatOnlyTheLeaderKnows
	"server-feasible":  {`{}`, closed},
	"healthz":          {"", open},
	"readyz":           {"", open},
	"openapi":          {"", open},
	"metrics":          {"", admins},
}

// operation is one of the document.
type operation struct{ id, method, path string }

func operations() []operation {
	var out []operation
	for path, item := range apiserver.OpenAPI().Paths {
		if item.Get != nil {
			out = append(out, operation{item.Get.OperationID, http.MethodGet, path})
		}
		if item.Put != nil {
			out = append(out, operation{item.Put.OperationID, http.MethodPut, path})
		}
		if item.Post != nil {
			out = append(out, operation{item.Post.OperationID, http.MethodPost, path})
		}
		if item.Patch != nil {
			out = append(out, operation{item.Patch.OperationID, http.MethodPatch, path})
		}
		if item.Delete != nil {
			out = append(out, operation{item.Delete.OperationID, http.MethodDelete, path})
		}
	}
	return out
}

func TestEveryOperationHasARuleAndACase(t *testing.T) {
	t.Parallel()
	var served []string
	for _, op := range operations() {
		served = append(served, op.id)
		require.Contains(t, accessCases, op.id, "add a case to accessCases")
	}
	require.ElementsMatch(t, authz.Operations(), served,
		"the authorisation table has exactly the operations of the API")
	require.Len(t, accessCases, len(served), "no case without an operation")
}

func TestAuthorisation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, op := range operations() {
		c := accessCases[op.id]
		for _, who := range []struct {
			name string
			uid  int64
			want bool
		}{
			{"nobody", -1, c.want.nobody},
			{"bob", bobUID, c.want.bob},
			{"ada", adaUID, c.want.ada},
			{"admin", adminUID, c.want.admin},
		} {
			if op.id == "watch" && who.want {
				continue // it would not end; TestWatch… get in
			}
			got := b.as(who.uid, op.method, b.fill(op), c.body)
			refused := got.status == http.StatusUnauthorized || got.status == http.StatusForbidden
			require.Equal(t, who.want, !refused, "%s as %s: %d %s", op.id, who.name, got.status, got.body)
			if refused {
				want := got.code()
				if who.uid < 0 || op.id == "join-kubelet" {
					want = api.CodeUnauthenticated
				}
				got.problem(want)
			}
		}
	}
}

func (a answer) code() api.Code {
	if a.status == http.StatusForbidden {
		return api.CodeForbidden
	}
	return api.CodeUnauthenticated
}

// fill makes a path whose object is ada's, or does not exist.
func (b *bundle) fill(op operation) string {
	path := op.path
	switch {
	case strings.HasPrefix(path, "/v1/jobs/{id}"):
		path = strings.ReplaceAll(path, "{id}", b.submit(adaUID).ID.String())
	case strings.HasPrefix(path, "/v1/tokens/{id}"):
		var made struct{ ID string }
		b.as(adaUID, http.MethodPost, "/v1/tokens", `{"use":"user"}`).into(http.StatusCreated, &made)
		path = strings.ReplaceAll(path, "{id}", made.ID)
	}
	path = strings.ReplaceAll(path, "{name}", "nosuch")
	return strings.ReplaceAll(path, "{id}", "0")
}

func TestTokensAreListedToTheirOwner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, uid := range []int64{adaUID, bobUID} {
		b.as(uid, http.MethodPost, "/v1/tokens", `{"use":"user"}`).into(http.StatusCreated, nil)
	}
	count := func(uid int64) int {
		var list struct{ Items []api.Token }
		b.as(uid, http.MethodGet, "/v1/tokens", nil).into(http.StatusOK, &list)
		return len(list.Items)
	}
	require.Equal(t, 1, count(adaUID))
	require.Equal(t, 2, count(adminUID))
}
