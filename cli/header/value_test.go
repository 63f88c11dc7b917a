package header

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestDependency(t *testing.T) {
	t.Parallel()
	whole := func(kind api.DependencyKind, on api.JobID) api.Dependency {
		return api.Dependency{Kind: kind, On: on, OnIndex: api.NoIndex}
	}
	for v, want := range map[string][]api.Dependency{
		"afterok:1":            {whole("afterok", 1)},
		"afterok:1:2":          {whole("afterok", 1), whole("afterok", 2)},
		"afterok:1,afterany:2": {whole("afterok", 1), whole("afterany", 2)},
		"afternotok:1_7":       {{Kind: "afternotok", On: 1, OnIndex: 7}},
		"aftercorr:1_*":        {whole("aftercorr", 1)},
		"after:1+5:2":          {{Kind: "after", On: 1, OnIndex: -1, DelaySeconds: 300}, whole("after", 2)},
		"singleton":            {{Kind: "singleton", OnIndex: -1}},
		"singleton,afterok:3":  {{Kind: "singleton", OnIndex: -1}, whole("afterok", 3)},
		"17":                   {whole("afterany", 17)},
		"17:18":                {whole("afterany", 17), whole("afterany", 18)},
		"AfterOK:1":            {whole("afterok", 1)},
	} {
		o, err := parse("", "-d", v)
		require.NoError(t, err, v)
		require.Equal(t, want, o.Dependencies, v)
		require.False(t, o.DependencyAny)
	}
	o, err := parse("", "-d", "afterok:1:2?afterany:3")
	require.NoError(t, err)
	require.True(t, o.DependencyAny)
	require.Len(t, o.Dependencies, 3)
}

func TestDependencyErrors(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"":                                     "it is empty",
		"afterok:":                             "is a shell variable empty?",
		"afterok":                              "is a shell variable empty?",
		"afterok:1,,":                          "it is empty",
		"afterok:x":                            `"x" is no job id`,
		"afterok:1/2":                          "is no job id",
		"afterok:0":                            "is no job id",
		"afterok:1+5":                          "go with after alone",
		"after:1+x":                            "minutes behind a +",
		"afterok:1,afterok:2?17":               "mixes",
		":1":                                   `"" is no kind of dependency`,
		"afterwards:1":                         "is no kind of dependency",
		"singleton:1":                          "singleton takes no job id",
		"afterok" + strings.Repeat(":1", 1001): "more than 1000 dependencies",
	} {
		_, err := parse("", "-d", v)
		require.ErrorContains(t, err, want, v)
	}
}

func TestSignal(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]api.WarningSignal{
		"USR1":           {Signal: "USR1", BeforeSeconds: 60},
		"SIGUSR1@120":    {Signal: "USR1", BeforeSeconds: 120},
		"10@5":           {Signal: "USR1", BeforeSeconds: 5},
		"B:TERM@0":       {Signal: "TERM", BeforeSeconds: 0, BatchOnly: true},
		"b:sigint@65535": {Signal: "INT", BeforeSeconds: 65535, BatchOnly: true},
	} {
		o, err := parse("", "--signal="+v)
		require.NoError(t, err, v)
		require.Equal(t, want, *o.Warning, v)
	}
	for _, v := range []string{"", "X", "USR1@", "USR1@70000", "USR1@-1", ":USR1", "Q:USR1", "0", "64", "B:"} {
		_, err := parse("", "--signal="+v)
		require.Error(t, err, v)
	}
}

func TestMailType(t *testing.T) {
	t.Parallel()
	for v, want := range map[string][]string{
		"END":                {"end"},
		"end, fail":          {"end", "fail"},
		"ALL":                {"begin", "end", "fail", "invalid_depend", "requeue"},
		"ALL,END,TIME_LIMIT": {"begin", "end", "fail", "invalid_depend", "requeue", "time_limit"},
		"NONE":               {},
	} {
		o, err := parse("", "--mail-type="+v)
		require.NoError(t, err, v)
		require.Equal(t, want, o.MailEvents, v)
	}
	_, err := parse("", "--mail-type=ENDS")
	require.ErrorContains(t, err, `"ENDS" is no event`)
}

func TestNodeNames(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"n1": "n1", "n1,n2": "n1 n2", "n[1-3]": "n1 n2 n3", "n[01-03,7]": "n01 n02 n03 n7",
		"a[1]b,c":    "a1b c",
		"n[098-101]": "n098 n099 n100 n101",
	} {
		names, err := nodeNames(v)
		require.NoError(t, err, v)
		require.Equal(t, want, strings.Join(names, " "), v)
	}
	for _, v := range []string{
		"", "n[", "n]", "n[1", "n[3-1]", "n[x]", "n[1][2]", "n[[1]]", "a b", ",", "n[0-99999999]",
		"/etc/nodes",
	} {
		_, err := nodeNames(v)
		require.Error(t, err, v)
	}
}

func TestBadValues(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{
		"--time=1h", "--mem=1.5G", "--mem=-1", "--array=", "--array=5-1", "-n0", "-c-1", "-c1.5", "-N0",
		"-N4-1",
		"--nodes=1x", "--nice=x", "--nice=99999999999", "--open-mode=w", "--kill-on-invalid-dep=maybe",
		"--cpus=0",
		"--cpus=x", "--requeue-exit-codes=0", "--requeue-exit-codes=256", "--requeue-exit-codes=x",
		"--chdir=",
		"--output=", "--kill-grace=0", "--comment=" + strings.Repeat("x", 9000),
	} {
		_, err := parse("", arg)
		require.Error(t, err, arg)
		require.Less(t, len(err.Error()), 500)
	}
}
