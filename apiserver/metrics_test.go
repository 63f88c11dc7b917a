package apiserver_test

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/apiserver"
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
