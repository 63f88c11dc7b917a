package apiserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// times are the parts of an answer that differ from run to run.
var times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`)

// TestAnswers shows the main answers as they are on the wire: what a change does to clients is seen
// in the diff of testdata/answers.txt.
func TestAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var out strings.Builder
	show := func(uid int64, method, path string, in any) {
		a := b.as(uid, method, path, in)
		fmt.Fprintf(&out, "%s %s\n%d %s\n", method, path, a.status, a.header.Get("Content-Type"))
		if len(a.body) > 0 {
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, a.body, "", "  "))
			out.WriteString(times.ReplaceAllString(strings.TrimSpace(pretty.String()), `"TIME"`) + "\n")
		}
		out.WriteString("\n")
	}
	array := script()
	array.Spec.Name, array.Spec.Array = "sweep", "0-9:3%2"
	show(adaUID, http.MethodPost, "/v1/jobs", array)
	show(bobUID, http.MethodGet, "/v1/jobs?user=ada", nil)
	show(adaUID, http.MethodGet, "/v1/jobs/1/why?index=3", nil)
	show(adaUID, http.MethodGet, "/v1/jobs/1/pods", nil)
	show(adaUID, http.MethodGet, "/v1/events?kind=job&object=1", nil)
	show(adaUID, http.MethodPost, "/v1/jobs", `{"spec":{"memory":"1G"}}`)
	show(bobUID, http.MethodPost, "/v1/jobs/1/cancel", nil)
	show(adaUID, http.MethodGet, "/v1/jobs/7", nil)
	show(adaUID, http.MethodGet, "/v1/whoami", nil)
	show(adaUID, http.MethodGet, "/v1/version", nil)
	_, err := b.store.RegisterNode(within(t), "n1", nodeStatus("boot1"), time.Unix(1800000000, 0).UTC())
	require.NoError(t, err)
	show(adaUID, http.MethodGet, "/v1/nodes/n1", nil)
	show(adminUID, http.MethodPatch, "/v1/nodes/n1", api.NodeSpec{Unschedulable: true, Reason: "disk"})
	show(adaUID, http.MethodGet, "/v1/users/ada", nil)
	show(adaUID, http.MethodGet, "/v1/partitions", nil)
	show(adminUID, http.MethodPut, "/v1/qos/high", `{"priority":10}`)
	show(adminUID, http.MethodDelete, "/v1/qos/default", nil)
	show(adaUID, http.MethodGet, "/v2/jobs", nil)
	golden(t, "testdata/answers.txt", []byte(out.String()))
}
