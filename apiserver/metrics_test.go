package apiserver_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	b := setup(t, func(o *apiserver.Options) {
		o.Measures = []apiserver.Measure{
			{Name: "other_total", Help: "h", Counter: true, Value: func() float64 { return 5 }},
		}
	})
	b.as(adaUID, http.MethodGet, "/v1/whoami", nil).into(http.StatusOK, nil)
	shown := b.as(adminUID, http.MethodGet, "/metrics", nil)
	require.Equal(t, http.StatusOK, shown.status)
	require.Contains(t, string(shown.body), "# TYPE other_total counter\nother_total 5")
	names := regexp.MustCompile(`(?m)^# TYPE (cox_\S+)`).FindAllStringSubmatch(string(shown.body), -1)
	require.Len(t, names, 4)
	for _, name := range names {
		require.Contains(t, string(page), "| `"+name[1]+"` |")
	}
}

// TestACallerThatHasGoneIsNoFailure: neither in the log nor in the metrics that alarms are made of.
func TestACallerThatHasGoneIsNoFailure(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	b := &bundle{t: t}
	b.store, _ = newStore(t)
	uid := adminUID
	var err error
	b.server, err = apiserver.New(apiserver.Options{
		Store: b.store, Names: people, Logger: slog.New(slog.NewTextHandler(&log, nil)), ServerUID: &uid,
	})
	require.NoError(t, err)
	b.as(adaUID, http.MethodGet, "/v1/whoami", nil).into(http.StatusOK, nil) // the user's row is there
	ctx, leave := context.WithCancel(authn.WithPeer(t.Context(), authn.Peer{UID: adaUID}))
	leave()
	for _, path := range []string{"/readyz", "/v1/jobs", "/v1/nodes", "/v1/jobs/1/why"} {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		b.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	require.NotContains(t, log.String(), "level=ERROR")
	shown := b.as(adminUID, http.MethodGet, "/metrics", nil)
	require.Equal(t, http.StatusOK, shown.status)
	require.Contains(t, string(shown.body), `route="/v1/nodes",status="499"} 1`)
	require.NotContains(t, string(shown.body), `status="500"`)
	b.as(adaUID, http.MethodGet, "/v1/jobs/1/why", nil).problem(api.CodeNotFound)
}
