package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// serve answers on a Unix socket and returns a client of it.
func serve(t *testing.T, handler http.HandlerFunc, o client.Options) *client.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	o.Server = "unix://" + path
	c, err := client.New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func problem(w http.ResponseWriter, status int, code api.Code, detail string) {
	w.WriteHeader(status)
	//nolint:errcheck // a test's
	fmt.Fprintf(w, `{"title":"x","detail":%q,"code":%q,"fields":[{"field":"spec.name","message":"is bad"}]}`,
		detail, code)
}

func TestProblemBecomesAnError(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusUnprocessableEntity, api.CodeInvalid, "the job can't be accepted")
	}, client.Options{})
	_, err := c.SubmitJob(t.Context(), api.JobSubmit{})
	var e *api.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.CodeInvalid, e.Code)
	require.Equal(t, "the job can't be accepted", e.Message)
	require.Equal(t, []api.FieldError{{Field: "spec.name", Message: "is bad"}}, e.Fields)
}

// TestOnlyHarmlessRequestsAreRepeated: a server that is away twice, then back.
func TestOnlyHarmlessRequestsAreRepeated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call  func(context.Context, *client.Client) error
		tries int64
	}{
		"submit with a request id": {func(ctx context.Context, c *client.Client) error {
			_, err := c.SubmitJob(ctx, api.JobSubmit{RequestID: "r"})
			return err
		}, 3},
		"submit without one": {func(ctx context.Context, c *client.Client) error {
			_, err := c.SubmitJob(ctx, api.JobSubmit{})
			return err
		}, 1},
		"read":    {func(ctx context.Context, c *client.Client) error { _, err := c.Job(ctx, 42); return err }, 3},
		"cancel":  {func(ctx context.Context, c *client.Client) error { return c.CancelJob(ctx, 42, "") }, 3},
		"requeue": {func(ctx context.Context, c *client.Client) error { return c.RequeueJob(ctx, 42, "") }, 1},
		"token": {func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateToken(ctx, client.TokenRequest{})
			return err
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int64
			cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/readyz" {
					return
				}
				if tries.Add(1) < 3 {
					problem(w, http.StatusServiceUnavailable, api.CodeUnavailable, "the database is away")
					return
				}
				fmt.Fprint(w, `{}`) //nolint:errcheck // a test's
			}, client.Options{})
			err := c.call(t.Context(), cl)
			require.Equal(t, c.tries, tries.Load())
			require.Equal(t, c.tries == 3, err == nil, "%v", err)
		})
	}
}

func TestRetriesEndAndAreTold(t *testing.T) {
	t.Parallel()
	var told []string
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusServiceUnavailable, api.CodeUnavailable, "the database is away")
	}, client.Options{RetryFor: time.Second, Notify: func(m string) { told = append(told, m) }})
	_, err := c.Job(t.Context(), 42)
	require.ErrorIs(t, err, api.ErrUnavailable)
	require.Len(t, told, 1)
	require.Contains(t, told[0], "the database is away")
}

func TestNoSocketFailsAtOnce(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Options{Server: "unix://" + filepath.Join(t.TempDir(), "none")})
	require.NoError(t, err)
	began := time.Now()
	_, err = c.Job(t.Context(), 42)
	require.ErrorIs(t, err, api.ErrUnavailable)
	require.ErrorContains(t, err, "cox up")
	require.Less(t, time.Since(began), client.RetryMax/2)
}

// TestWatchGoesOnWhereItBroke: each connection gives one change and breaks.
func TestWatchGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		next := r.URL.Query().Get("cursor") + "x"
		//nolint:errcheck // a test's
		fmt.Fprintf(w, ": hello\n\nevent: job\nid: %s\ndata: {\"id\":%d}\n\n", next, len(next))
	}, client.Options{})
	enough := errors.New("enough")
	var cursors []string
	err := c.Watch(t.Context(), client.WatchRequest{Kinds: []api.Kind{api.KindJob}}, nil, func(ch client.Change) error {
		require.JSONEq(t, fmt.Sprintf(`{"id":%d}`, len(ch.Cursor)), string(ch.Data))
		cursors = append(cursors, ch.Cursor)
		if len(cursors) == 3 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, "x,xx,xxx", strings.Join(cursors, ","))
}

func TestWatchTellsOfDeletions(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		//nolint:errcheck // a test's
		fmt.Fprint(w, "event: node\ndata: {\"deleted\":\"n1\"}\n\nevent: cursor\nid: c\n\n")
	}, client.Options{})
	enough := errors.New("enough")
	var seen []client.Change
	err := c.Watch(t.Context(), client.WatchRequest{}, nil, func(ch client.Change) error {
		seen = append(seen, ch)
		if ch.Kind == client.KindCursor {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, "n1", seen[0].Deleted)
	require.Equal(t, "c", seen[1].Cursor)
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "localhost:7443", "http://x:1", "https://", "::"} {
		_, err := client.New(client.Options{Server: bad})
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), "%q", bad)
	}
}

func TestWaitingForATasksNumberFollowsItsJob(t *testing.T) {
	t.Parallel()
	var watched atomic.Bool
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/watch" && r.URL.Query().Get("ids") == "42":
			watched.Store(true)
			fmt.Fprint(w, "event: job\ndata: {}\n\n") //nolint:errcheck // a test's
			http.NewResponseController(w).Flush()     //nolint:errcheck // a test's
			<-r.Context().Done()
		case r.URL.Path == "/v1/watch":
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush() //nolint:errcheck // a test's
			<-r.Context().Done()
		case watched.Load():
			fmt.Fprint(w, `{"id":42,"status":{"state":"completed"}}`) //nolint:errcheck // a test's
		default:
			fmt.Fprint(w, `{"id":42,"status":{"state":"running"}}`) //nolint:errcheck // a test's
		}
	}, client.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // below the poll that backs the watch up
	defer cancel()
	require.NoError(t, c.WaitJob(ctx, 43, func(job api.Job) (bool, error) { return job.Status.State.Ended(), nil }))
}

func TestWhatMustNotRunTwiceWaitsForTheDatabaseFirst(t *testing.T) {
	t.Parallel()
	var asked, done atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/readyz" && asked.Add(1) < 3:
			problem(w, http.StatusServiceUnavailable, api.CodeUnavailable, "the database can't be reached now")
		case r.URL.Path == "/v1/jobs/7/requeue":
			done.Add(1)
			fmt.Fprint(w, "{}") //nolint:errcheck // a test's
		}
	}, client.Options{})
	require.NoError(t, c.RequeueJob(t.Context(), 7, ""))
	require.EqualValues(t, 3, asked.Load())
	require.EqualValues(t, 1, done.Load())
}
