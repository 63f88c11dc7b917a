package apiserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

var errEnough = errors.New("enough")

// follow watches until want says that it has seen enough, and returns the cursor there.
func follow(
	t testing.TB, c *client.Client, r client.WatchRequest, opened func(), want func(client.Change) bool,
) string {
	t.Helper()
	cursor := r.Cursor
	err := c.Watch(within(t), r, opened, func(ch client.Change) error {
		if want(ch) {
			return errEnough
		}
		if ch.Cursor != "" {
			cursor = ch.Cursor
		}
		return nil
	})
	require.ErrorIs(t, err, errEnough)
	return cursor
}

func TestWatchResumesWithoutAGap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.user(adaUID)
	first := b.submit(adaUID)
	var cursor string
	follow(t, c, client.WatchRequest{}, nil, func(ch client.Change) bool {
		cursor = ch.Cursor
		return ch.Kind == client.KindCursor
	})
	require.NotEmpty(t, cursor, "a stream begins with the cursor that it begins at")
	var missed []api.JobID
	for range 5 {
		missed = append(missed, b.submit(bobUID).ID)
	}
	// A server that follows the feed from behind may tell what is older than a cursor once more: this one
	// has read all that there is.
	var marker api.Job
	follow(t, c, client.WatchRequest{}, func() { marker = b.submit(bobUID) }, func(ch client.Change) bool {
		return ch.Kind == "job" && marker.ID != 0 && strings.Contains(string(ch.Data), `"id":`+marker.ID.String()+`,`)
	})
	seen := map[api.JobID]bool{}
	var late api.Job
	follow(t, c, client.WatchRequest{Cursor: cursor}, func() { late = b.submit(bobUID) },
		func(ch client.Change) bool {
			var job api.Job
			if ch.Kind == "job" {
				require.NoError(t, json.Unmarshal(ch.Data, &job))
				seen[job.ID] = true
			}
			return late.ID != 0 && seen[late.ID]
		})
	for _, id := range missed {
		require.True(t, seen[id], "job %d", id)
	}
	require.False(t, seen[first.ID], "what was before the cursor is not told again")
}

func TestWatchChoosesAndTellsDeletions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.user(adaUID)
	mine, other := b.submit(adaUID), b.submit(adaUID)
	change := func() {
		for _, id := range []api.JobID{other.ID, mine.ID} {
			b.as(adaUID, http.MethodPost, path(id, "/hold"), nil).into(http.StatusOK, nil)
		}
	}
	follow(t, c, client.WatchRequest{IDs: []string{mine.ID.String()}}, change, func(ch client.Change) bool {
		if ch.Kind != "job" {
			return false
		}
		var job api.Job
		require.NoError(t, json.Unmarshal(ch.Data, &job))
		require.Equal(t, mine.ID, job.ID)
		return job.Spec.Hold
	})
	policy := func() {
		b.as(adminUID, http.MethodPut, "/v1/qos/high", `{"priority":5}`).into(http.StatusOK, nil)
		b.as(adminUID, http.MethodDelete, "/v1/qos/high", nil).into(http.StatusNoContent, nil)
	}
	follow(t, c, client.WatchRequest{Kinds: []api.Kind{api.KindQOS}}, policy,
		func(ch client.Change) bool { return ch.Deleted == "high" })
}

func TestWatchRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.user(adaUID)
	watch := func(r client.WatchRequest) api.Code {
		return api.CodeOf(c.Watch(within(t), r, nil, func(client.Change) error { return errEnough }))
	}
	require.Equal(t, api.CodeInvalid, watch(client.WatchRequest{Kinds: []api.Kind{"weather"}}))
	require.Equal(t, api.CodeForbidden, watch(client.WatchRequest{Kinds: []api.Kind{api.KindToken}}))
	require.Equal(t, api.CodeInvalid, watch(client.WatchRequest{Cursor: "!"}))
	var cursor string
	follow(t, c, client.WatchRequest{}, nil, func(ch client.Change) bool { cursor = ch.Cursor; return true })
	require.NoError(t, b.store.NewEpoch(context.Background()))
	require.Equal(t, api.CodeGone, watch(client.WatchRequest{Cursor: cursor}))
}

func TestWaitJobOverTheSocket(t *testing.T) {
	t.Parallel()
	b := setup(t, asPeers)
	job := b.submit(adaUID)
	c, err := client.New(client.Options{Server: "unix://" + b.socket})
	require.NoError(t, err)
	defer c.Close()
	looks := 0
	err = c.WaitJob(within(t), job.ID, func(j api.Job) (bool, error) {
		if looks++; looks == 1 {
			b.as(adaUID, http.MethodPost, path(job.ID, "/hold"), nil).into(http.StatusOK, nil)
		}
		return j.Spec.Hold, nil
	})
	require.NoError(t, err)
}
