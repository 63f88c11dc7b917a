package apiserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver"
)

func TestSubmitFillsDefaultsAndTells(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID)
	require.Equal(t, api.JobPending, job.Status.State)
	require.Equal(t, api.ReasonSubmitted, job.Status.Reason)
	spec := job.Spec
	require.Equal(t, "ada", spec.Owner.User)
	require.Equal(t, adaUID, spec.Owner.UID)
	require.Equal(t, []string{"default", "default", "default"},
		[]string{spec.Account, spec.Partition, spec.QOS})
	require.Equal(t, int64(3600), spec.TimeLimitSeconds)
	require.Equal(t, int64(30), spec.GraceSeconds)
	main := spec.Roles[0].Template.Main()
	require.Equal(t, api.Resources{CPUMillis: 1000, MemoryBytes: 2 << 30}, main.Requests)
	require.Equal(t, main.Requests, main.Limits)
	require.Equal(t, "/home/ada", main.WorkingDir)
	require.Equal(t, []string{
		"no time limit was asked for: 1 h is the default", "no CPUs were asked for: 1 is the default",
		"no memory was asked for: 2 GiB per CPU is the default",
	}, spec.Notes)
	require.Equal(t, "sbatch", spec.Name)

	var got api.Job
	b.as(bobUID, http.MethodGet, path(job.ID, ""), nil).into(http.StatusOK, &got)
	require.Equal(t, job, got)
}

func TestSubmitTrustsNothingAboutIdentity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID, func(s *api.JobSubmit) {
		s.Spec.Owner = api.Identity{User: "root"}
		s.Spec.HeldByAdmin = true
		s.Spec.Notes = []string{"a lie"}
	})
	require.Equal(t, "ada", job.Spec.Owner.User)
	require.False(t, job.Spec.HeldByAdmin)
	require.NotContains(t, job.Spec.Notes, "a lie")
}

func TestSubmitRefusesRoot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.as(0, http.MethodPost, "/v1/jobs", script()).problem(api.CodeForbidden)
	require.Contains(t, p.Detail, "--allow-root-jobs")
	allowed := setup(t, func(o *apiserver.Options) { o.AllowRootJobs = true })
	require.Equal(t, "root", allowed.submit(0).Spec.Owner.User)
}

func TestRepeatedSubmitFindsTheFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := script()
	in.RequestID = "6f1f6a0e-9c59-4a39-8a57-0c5a0e5a7f10"
	var first, second api.Job
	b.as(adaUID, http.MethodPost, "/v1/jobs", in).into(http.StatusCreated, &first)
	b.as(adaUID, http.MethodPost, "/v1/jobs", in).into(http.StatusOK, &second)
	require.Equal(t, first, second)
	b.as(bobUID, http.MethodPost, "/v1/jobs", in).problem(api.CodeExists)
}

func TestSubmitNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	main := func(s *api.JobSubmit) *api.Container { return &s.Spec.Roles[0].Template.Containers[0] }
	depend := func(s *api.JobSubmit, kind api.DependencyKind, on api.JobID) {
		s.Spec.Dependencies = []api.Dependency{{Kind: kind, On: on}}
	}
	const container = "spec.roles[0].template.containers[0]"
	cases := map[string]func(*api.JobSubmit){
		"payload.script":                     func(s *api.JobSubmit) { s.Payload.Script = nil },
		"payload.environment[1]":             func(s *api.JobSubmit) { s.Payload.Environment[1] = "no equals sign" },
		"spec.roles[0].template.containers":  func(s *api.JobSubmit) { main(s).Main = false },
		container + ".requests.memory_bytes": func(s *api.JobSubmit) { main(s).Requests.MemoryBytes = -1 },
		container + ".requests.cpu_millis":   func(s *api.JobSubmit) { main(s).Requests.CPUMillis = 1 << 60 },
		container + ".working_dir":           func(s *api.JobSubmit) { main(s).WorkingDir = "here" },
		container + ".soft_limits.files": func(s *api.JobSubmit) {
			main(s).SoftLimits = map[string]int64{"files": 1}
		},
		"spec.roles": func(s *api.JobSubmit) {
			s.Spec.Roles, s.Payload.Script = nil, []byte("#!/bin/sh")
		},
		"spec.array":                 func(s *api.JobSubmit) { s.Spec.Array = "1-" },
		"spec.roles[0].count":        func(s *api.JobSubmit) { s.Spec.Roles[0].Count = -1 },
		"spec.account":               func(s *api.JobSubmit) { s.Spec.Account = "nowhere" },
		"spec.partition":             func(s *api.JobSubmit) { s.Spec.Partition = "nowhere" },
		"spec.qos":                   func(s *api.JobSubmit) { s.Spec.QOS = "nowhere" },
		"spec.time_limit_seconds":    func(s *api.JobSubmit) { s.Spec.TimeLimitSeconds = -5 },
		"spec.name":                  func(s *api.JobSubmit) { s.Spec.Name = "a\nb" },
		"spec.dependencies[0]":       func(s *api.JobSubmit) { depend(s, api.DependencyAfterOK, 999) },
		"spec.dependencies[0].kind":  func(s *api.JobSubmit) { depend(s, "afterlife", 1) },
		"spec.warning.signal":        func(s *api.JobSubmit) { s.Spec.Warning = &api.WarningSignal{Signal: "NOPE"} },
		"spec.mail.user":             func(s *api.JobSubmit) { s.Spec.Mail = &api.Mail{User: "-oQ/tmp"} },
		"spec.mail.events[0]":        func(s *api.JobSubmit) { s.Spec.Mail = &api.Mail{Events: []string{"birth"}} },
		"spec.requeue_exit_codes[0]": func(s *api.JobSubmit) { s.Spec.RequeueExitCodes = []int{0} },
		"spec.excluded_nodes[0]":     func(s *api.JobSubmit) { s.Spec.ExcludedNodes = []string{"../n1"} },
	}
	for field, change := range cases {
		in := script()
		change(&in)
		a := b.as(adaUID, http.MethodPost, "/v1/jobs", in)
		require.GreaterOrEqual(t, a.status, 400, field)
		require.Contains(t, string(a.body), `"field":"`+field+`"`, "%s: %s", field, a.body)
	}
	var list struct{ Items []api.Job }
	b.as(adaUID, http.MethodGet, "/v1/jobs", nil).into(http.StatusOK, &list)
	require.Empty(t, list.Items, "nothing of all this was stored")
}

func TestSubmitScripts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for script, want := range map[string]string{
		"echo hi\n":                        "must begin with #!",
		"#!/bin/sh\r\ntrue\r\n":            "DOS line endings",
		"#!sh\n":                           "absolute path",
		"":                                 "nothing to run",
		"#!/" + strings.Repeat("x", 5<<20): "larger than 4 MiB",
	} {
		in := script1(script)
		a := b.as(adaUID, http.MethodPost, "/v1/jobs", in)
		require.Contains(t, string(a.body), want)
	}
	job := b.submit(adaUID, func(s *api.JobSubmit) {
		s.Payload.Script = nil
		s.Spec.Roles[0].Template.Containers[0].Command = []string{"/usr/bin/env", "true"}
	})
	require.Equal(t, "env", job.Spec.Name)
}

func script1(text string) api.JobSubmit {
	in := script()
	in.Payload.Script = []byte(text)
	return in
}

func TestBodiesAreStrict(t *testing.T) {
	t.Parallel()
	b := setup(t)
	post := func(body string) answer { return b.as(adaUID, http.MethodPost, "/v1/jobs", body) }
	p := post(`{"spec":{"roles":[{"template":{"containers":[{"main":true,"memory":"1G"}]}}],"colour":"red"}}`).
		problem(api.CodeUnknownField)
	require.Equal(t, []api.FieldError{
		{Field: "spec.colour", Message: "is no field of the API"},
		{Field: "spec.roles[0].template.containers[0].memory", Message: "is no field of the API"},
	}, p.Fields)
	p = post(`{"spec":{"nice":"high"}}`).problem(api.CodeInvalid)
	require.Equal(t, "spec.nice", p.Fields[0].Field)
	post(`{"spec":`).problem(api.CodeInvalid)
	post(`{} {}`).problem(api.CodeInvalid)
	post(``).problem(api.CodeInvalid)
	a := post(`{"spec":{"comment":"` + strings.Repeat("x", 17<<20) + `"}}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	a.problem(api.CodeLimit)
}

func TestListPagesAndFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		b.submit(adaUID)
	}
	b.submit(bobUID, func(s *api.JobSubmit) { s.Spec.Name = "other" })
	type page struct {
		Items    []api.Job
		NextPage string `json:"next_page"`
	}
	var seen []api.JobID
	next := ""
	for {
		var p page
		b.as(adaUID, http.MethodGet, "/v1/jobs?user=ada&limit=2&page="+next, nil).into(http.StatusOK, &p)
		for _, j := range p.Items {
			require.Equal(t, "ada", j.Spec.Owner.User)
			seen = append(seen, j.ID)
		}
		if next = p.NextPage; next == "" {
			break
		}
	}
	require.Len(t, seen, 5)
	require.IsDecreasing(t, seen)
	var p page
	b.as(adaUID, http.MethodGet, "/v1/jobs?name=other&state=pending&ended=false", nil).into(http.StatusOK, &p)
	require.Len(t, p.Items, 1)
	b.as(adaUID, http.MethodGet, "/v1/jobs?ended=true", nil).into(http.StatusOK, &p)
	for _, bad := range []string{"state=gone", "ids=x", "limit=x", "limit=5000", "ended=perhaps", "page=x"} {
		b.as(adaUID, http.MethodGet, "/v1/jobs?"+bad, nil).problem(api.CodeInvalid)
	}
}

func TestUpdateIsGuardedByGeneration(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.Array = "0-9" })
	var got api.Job
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"name":"new","array_limit":3}`, "If-Match", `"1"`).
		into(http.StatusOK, &got)
	require.Equal(t, "new", got.Spec.Name)
	require.Equal(t, "0-9%3", got.Spec.Array)
	require.Equal(t, int64(2), got.Generation)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"name":"newer"}`, "If-Match", `"1"`).problem(api.CodeConflict)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"name":"newer"}`, "If-Match", "old").problem(api.CodeInvalid)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"nice":-1}`).problem(api.CodeForbidden)
	b.as(adminUID, http.MethodPatch, path(job.ID, ""), `{"nice":-1}`).into(http.StatusOK, &got)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"nice":9223372036854775807}`).problem(api.CodeInvalid)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"partition":"nowhere"}`).problem(api.CodeInvalid)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"requests":{"cpu_millis":4000,"memory_bytes":1024}}`).
		into(http.StatusOK, &got)
	require.Equal(t, int64(4000), got.Spec.Roles[0].Template.Main().Limits.CPUMillis)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"requests":{"cpu_millis":2000,"memory_bytes":0}}`).
		into(http.StatusOK, &got)
	require.Equal(t, api.Resources{CPUMillis: 2000, MemoryBytes: 1024}, got.Spec.Roles[0].Template.Main().Limits,
		"no limit is lifted by leaving it out")
}

func TestAnotherPartitionMustAllowTheTimeLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.as(adminUID, http.MethodPut, "/v1/partitions/short", api.PartitionSpec{MaxTimeSeconds: 120}).
		into(http.StatusOK, nil)
	job := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.TimeLimitSeconds = 600 })
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"partition":"short"}`).problem(api.CodeInvalid)
	b.as(adaUID, http.MethodPatch, path(job.ID, ""), `{"partition":"short","time_limit_seconds":60}`).
		into(http.StatusOK, nil)
}

func TestUnlimitedTimeIsAccepted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.TimeLimitSeconds = api.UnlimitedSeconds })
	require.Equal(t, api.UnlimitedSeconds, job.Spec.TimeLimitSeconds)
}

func TestRequeueAndReleaseThatWouldDoNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	never := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.NoRequeue = true })
	b.as(adaUID, http.MethodPost, path(never.ID, "/requeue"), nil).problem(api.CodeConflict)
	job := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.Array = "0-3" })
	b.as(adaUID, http.MethodPost, path(job.ID, "/requeue"), nil).problem(api.CodeConflict)
	b.as(adaUID, http.MethodPost, path(job.ID, "/hold"), nil).into(http.StatusOK, nil)
	b.as(adaUID, http.MethodPost, path(job.ID, "/release"), `{"indices":"1"}`).problem(api.CodeConflict)
}

func TestHoldAndRelease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID)
	act := func(uid int64, action string) api.JobSpec {
		var got api.Job
		b.as(uid, http.MethodPost, path(job.ID, "/"+action), nil).into(http.StatusOK, &got)
		return got.Spec
	}
	spec := act(adaUID, "hold")
	require.True(t, spec.Hold)
	require.False(t, spec.HeldByAdmin)
	require.False(t, act(adaUID, "release").Hold)
	require.True(t, act(adminUID, "hold").HeldByAdmin)
	b.as(adaUID, http.MethodPost, path(job.ID, "/release"), `{}`).problem(api.CodeForbidden)
	require.False(t, act(adminUID, "release").Hold)
}

func TestActionsNameArrayTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.Array = "10-20:2" })
	b.as(adaUID, http.MethodPost, path(job.ID, "/cancel"), `{"indices":"10-14"}`).into(http.StatusOK, nil)
	rows, err := b.store.JobIndices(t.Context(), job.ID)
	require.NoError(t, err)
	var cancelled []int64
	for _, r := range rows {
		require.True(t, r.CancelWanted)
		cancelled = append(cancelled, r.Index)
	}
	require.Equal(t, []int64{10, 12, 14}, cancelled)
	b.as(adaUID, http.MethodPost, path(job.ID, "/cancel"), `{"indices":"11"}`).problem(api.CodeNotFound)
	b.as(adaUID, http.MethodPost, path(job.ID, "/cancel"), `{"indices":"x"}`).problem(api.CodeInvalid)
	plain := b.submit(adaUID)
	b.as(adaUID, http.MethodPost, path(plain.ID, "/hold"), `{"indices":"1"}`).problem(api.CodeInvalid)
	b.as(adaUID, http.MethodPost, path(plain.ID, "/signal"), `{"signal":"USR1"}`).problem(api.CodeConflict)
	b.as(adaUID, http.MethodPost, path(plain.ID, "/signal"), `{"signal":"PARTY"}`).problem(api.CodeInvalid)
	b.as(adaUID, http.MethodPost, path(999999, "/cancel"), nil).problem(api.CodeNotFound)
	b.as(adaUID, http.MethodGet, "/v1/jobs/none", nil).problem(api.CodeInvalidID)
}

func TestPayloadIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID)
	var p api.Payload
	b.as(adaUID, http.MethodGet, path(job.ID, "/payload"), nil).into(http.StatusOK, &p)
	require.Equal(t, script().Payload, p)
	b.as(bobUID, http.MethodGet, path(job.ID, "/payload"), nil).problem(api.CodeForbidden)
	b.as(adminUID, http.MethodGet, path(job.ID, "/payload"), nil).problem(api.CodeForbidden)
	list := b.as(bobUID, http.MethodGet, "/v1/jobs", nil)
	require.Equal(t, http.StatusOK, list.status)
	require.NotContains(t, string(list.body), "secret")
}

func TestAccountsDecide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.as(adminUID, http.MethodPut, "/v1/accounts/physics",
		api.AccountSpec{Description: "Physics"}).into(http.StatusOK, nil)
	in := script()
	in.Spec.Account = "physics"
	b.as(adaUID, http.MethodPost, "/v1/jobs", in).problem(api.CodeForbidden)
	b.as(adminUID, http.MethodPut, "/v1/users/ada", api.UserSpec{
		UID: adaUID, Accounts: []string{"default", "physics"}, DefaultAccount: "physics",
	}).into(http.StatusOK, nil)
	require.Equal(t, "physics", b.submit(adaUID).Spec.Account)
	b.as(adminUID, http.MethodPut, "/v1/partitions/short", api.PartitionSpec{
		DefaultTimeSeconds: 60, MaxTimeSeconds: 120, DefaultMemoryPerCPUBytes: 1 << 20,
	}).into(http.StatusOK, nil)
	job := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.Partition = "short" })
	require.Equal(t, int64(60), job.Spec.TimeLimitSeconds)
	require.Equal(t, int64(1<<20), job.Spec.Roles[0].Template.Main().Requests.MemoryBytes)
	in = script()
	in.Spec.Partition, in.Spec.TimeLimitSeconds = "short", 121
	b.as(adaUID, http.MethodPost, "/v1/jobs", in).problem(api.CodeInvalid)
}

func TestDependenciesAreResolved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.submit(adaUID)
	array := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.Array = "0-3" })
	job := b.submit(adaUID, func(s *api.JobSubmit) {
		s.Spec.Dependencies = []api.Dependency{
			{Kind: api.DependencyAfterOK, On: first.ID}, // its on_index 0 means nothing: it is no array
			{Kind: api.DependencyAfterAny, On: array.ID, OnIndex: 3},
			{Kind: api.DependencyAfterAny, On: array.ID, OnIndex: api.NoIndex},
			{Kind: api.DependencySingleton},
		}
	})
	require.Equal(t, []api.Dependency{
		{Kind: api.DependencyAfterOK, On: first.ID, OnIndex: api.NoIndex},
		{Kind: api.DependencyAfterAny, On: array.ID, OnIndex: 3},
		{Kind: api.DependencyAfterAny, On: array.ID, OnIndex: api.NoIndex},
		{Kind: api.DependencySingleton, OnIndex: api.NoIndex},
	}, job.Spec.Dependencies)
	in := script()
	in.Spec.Dependencies = []api.Dependency{{Kind: api.DependencyAfterAny, On: array.ID, OnIndex: 4}}
	b.as(adaUID, http.MethodPost, "/v1/jobs", in).problem(api.CodeInvalid)
}

func TestWhyWithoutALeaderTellsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID)
	var e api.Explanation
	b.as(bobUID, http.MethodGet, path(job.ID, "/why"), nil).into(http.StatusOK, &e)
	require.Equal(t, api.ReasonSubmitted, e.Reasons[0].Reason)
	b.as(bobUID, http.MethodGet, path(job.ID, "/why?index=3"), nil).problem(api.CodeNotFound)
}
