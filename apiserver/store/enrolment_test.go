package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

var booted = api.NodeStatus{BootID: "boot-1", KubeletVersion: "1"}

// enrol makes a join token and uses it for a node.
func enrol(t testing.TB, s *store.Store, id, node string) {
	t.Helper()
	token := api.Token{ID: id, Use: "join", CreatedAt: noon, ExpiresAt: noon.AddDate(0, 0, 1), CreatedBy: "root"}
	require.NoError(t, s.CreateToken(t.Context(), token, []byte(id)))
	require.NoError(t, s.Enrol(t.Context(), id, node, noon))
}

func TestEnrolments(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	good := func(enrolment string, want bool) {
		t.Helper()
		err := s.Enrolled(ctx, "n1", enrolment)
		_, registerErr := s.RegisterEnrolled(ctx, "n1", enrolment, booted, noon)
		if want {
			require.NoError(t, err)
			require.NoError(t, registerErr)
			return
		}
		require.ErrorContains(t, err, "join token")
		require.Equal(t, api.CodeUnauthenticated, api.CodeOf(err))
		require.Error(t, registerErr)
	}
	good("", false)
	_, err := s.RegisterNode(ctx, "n1", booted, noon)
	require.NoError(t, err)
	good("", true) // it joined before there were enrolments
	require.NoError(t, s.DeleteNode(ctx, "n1", noon))
	good("", false)

	enrol(t, s, "t1", "n1")
	require.ErrorIs(t, s.Enrol(ctx, "t1", "n2", noon), api.ErrConflict, "a join token works once")
	good("t1", true)
	good("", false)
	good("t2", false)
	enrol(t, s, "t2", "n1")
	good("t2", true)
	good("t1", false)
	require.NoError(t, s.DeleteNode(ctx, "n1", noon))
	good("t2", false)
	_, err = s.GetNode(ctx, "n1")
	require.ErrorIs(t, err, api.ErrNotFound, "none of those who were refused made it again")
}

// TestADeletionBeatsARegistration: whichever comes first, the node is gone in the end.
func TestADeletionBeatsARegistration(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	for i := range 20 {
		token := fmt.Sprintf("t%d", i)
		enrol(t, s, token, "n1")
		_, err := s.RegisterEnrolled(ctx, "n1", token, booted, noon)
		require.NoError(t, err)
		var work sync.WaitGroup
		var errs [3]error
		for k := range errs {
			work.Go(func() {
				status := booted
				status.BootID = "boot-2"
				_, errs[k] = s.RegisterEnrolled(ctx, "n1", token, status, noon)
			})
		}
		require.NoError(t, s.DeleteNode(ctx, "n1", noon))
		work.Wait()
		for _, err := range errs {
			require.Contains(t, []api.Code{"", api.CodeUnauthenticated}, api.CodeOf(err), "%v", err)
		}
		_, err = s.GetNode(ctx, "n1")
		require.ErrorIs(t, err, api.ErrNotFound)
	}
}
