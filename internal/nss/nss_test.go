package nss_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/nss"
)

// script writes a getent of the test's own.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "getent")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755))
	return path
}

func TestRealUser(t *testing.T) {
	t.Parallel()
	var l nss.Lookup
	root, err := l.ByUID(context.Background(), 0)
	require.NoError(t, err)
	require.Equal(t, "root", root.User)
	require.Equal(t, int64(0), root.GID)
	require.NotEmpty(t, root.Home)
	require.Contains(t, root.Groups, int64(0))
	same, err := l.ByName(context.Background(), "root")
	require.NoError(t, err)
	require.Equal(t, root, same)
}

func TestNobodyIsNotFound(t *testing.T) {
	t.Parallel()
	var l nss.Lookup
	_, err := l.ByUID(context.Background(), 3_999_999_999)
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
	_, err = l.ByName(context.Background(), "no-such-user-of-ours")
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
}

func TestImpossibleNamesNeverReachGetent(t *testing.T) {
	t.Parallel()
	l := nss.Lookup{Getent: "/does/not/exist"}
	for _, name := range []string{"", "-s", "0", "1000", "a:b", "a b", "a/b", "x\n", strings.Repeat("a", 300)} {
		_, err := l.ByName(context.Background(), name)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), "%q", name)
	}
}

func TestGroupsAndFields(t *testing.T) {
	t.Parallel()
	l := nss.Lookup{Getent: script(t, `case $1 in
passwd) echo 'ann:x:1501:1600:Ann,,,:/home/ann:/bin/zsh';;
initgroups) echo 'ann      1700 1600 1800';;
esac`)}
	got, err := l.ByName(context.Background(), "ann")
	require.NoError(t, err)
	want := api.Identity{
		User: "ann", UID: 1501, GID: 1600, Groups: []int64{1600, 1700, 1800}, Home: "/home/ann", Shell: "/bin/zsh",
	}
	require.Equal(t, want, got)
}

func TestDownServiceIsUnavailable(t *testing.T) {
	t.Parallel()
	cases := map[string]*nss.Lookup{
		"absent": {Getent: "/does/not/exist"},
		"fails":  {Getent: script(t, "exit 1")},
		"hangs":  {Getent: script(t, "exec sleep 30"), Timeout: 50 * time.Millisecond},
		"lies":   {Getent: script(t, "echo nonsense")},
	}
	for name, l := range cases {
		_, err := l.ByUID(context.Background(), 1501)
		require.Equal(t, api.CodeUnavailable, api.CodeOf(err), name)
	}
}

func TestCacheAges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	count := filepath.Join(dir, "count")
	fake := clock.NewFake(time.Unix(0, 0))
	l := nss.Lookup{Clock: fake, Getent: script(t, fmt.Sprintf(`test $1 = passwd && echo x >> %s
case $1:$2 in
passwd:1501) echo 'ann:x:1501:1600::/:/bin/sh';;
passwd:*) exit 2;;
initgroups:*) echo ann 1600;;
esac`, count))}
	asked := func() int {
		b, err := os.ReadFile(count)
		require.NoError(t, err)
		return strings.Count(string(b), "x")
	}
	for range 3 {
		_, err := l.ByUID(context.Background(), 1501)
		require.NoError(t, err)
		_, err = l.ByUID(context.Background(), 7)
		require.Equal(t, api.CodeNotFound, api.CodeOf(err))
	}
	require.Equal(t, 2, asked())
	fake.Advance(5 * time.Second)
	_, err := l.ByUID(context.Background(), 7)
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
	_, err = l.ByUID(context.Background(), 1501)
	require.NoError(t, err)
	require.Equal(t, 3, asked(), "a missing user is asked for again soon")
}
