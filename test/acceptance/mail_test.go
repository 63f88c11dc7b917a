package acceptance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// recorder is a mail system that keeps each message in a file of its own. While the file "closed"
// exists it takes none.
const recorder = `cd %[1]s
[ ! -e closed ] || { echo "mailbox closed"; exit 75; }
name=$(mktemp tmp.XXXXXX) && cat > $name && mv $name mail.$name`

type mailbox struct {
	t   *testing.T
	dir string
}

func newMailbox(t *testing.T) mailbox {
	t.Helper()
	dir, err := os.MkdirTemp(base, "mail-") //nolint:usetesting // the server's user must reach it
	require.NoError(t, err)
	return mailbox{t: t, dir: dir}
}

func (m mailbox) command() string { return fmt.Sprintf(recorder, m.dir) }

var subjectLine = regexp.MustCompile(`(?m)^Subject: (.*)$`)

// subjects of all mails that have come, without the cluster's name.
func (m mailbox) subjects() []string {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, "mail.*"))
	require.NoError(m.t, err)
	out := []string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(m.t, err)
		require.Contains(m.t, string(text), "To: ")
		subject := subjectLine.FindStringSubmatch(string(text))
		require.NotNil(m.t, subject, string(text))
		out = append(out, strings.TrimPrefix(subject[1], "cox job "))
	}
	slices.Sort(out)
	return out
}

// wait waits for so many mails.
func (m mailbox) wait(n int) []string {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	err := cluster.Until(ctx, func() (bool, error) { return len(m.subjects()) >= n, nil })
	require.NoError(m.t, err, "only these mails came: %q", m.subjects())
	return m.subjects()
}

func TestMail(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	c := ownCluster(t, cluster.Options{Args: []string{"--mail-command", box.command()}})
	me := alice.at(t, c, alice.home())
	submit := func(args ...string) string {
		args = append([]string{"submit", "--parsable", "--mem=30M", "-o", "/dev/null"}, args...)
		return strings.TrimSpace(me.try(binary(), args...).out)
	}
	var want []string
	expect := func(format string, args ...any) { want = append(want, fmt.Sprintf(format, args...)) }

	good := submit("-J", "good", "-t", "5", "--mail-type=ALL", "--wrap", "true")
	expect("%s good began", good)
	expect("%s good ended: completed", good)
	bad := submit("-J", "bad", "-t", "5", "--mail-type=END,FAIL", "--mail-user=bob@example.org",
		"--wrap", "exit 3")
	expect("%s bad ended: failed", bad)
	slow := submit("-J", "slow", "-t", "0:3", "--mail-type=END,TIME_LIMIT,TIME_LIMIT_50", "--wrap", "sleep 60")
	expect("%s slow has used 50 %% of its time limit", slow)
	expect("%s slow reached its time limit", slow)
	expect("%s slow ended: timeout", slow)
	never := submit("-J", "never", "-t", "5", "--mail-type=INVALID_DEPEND", "-d", "afterok:"+bad,
		"--wrap", "true")
	expect("%s never has a dependency that can never be met", never)
	whole := submit("-J", "whole", "-t", "5", "--array=1-3", "--mail-type=BEGIN,END", "--wrap", "true")
	expect("%s whole began", whole)
	expect("%s whole ended: completed", whole)
	tasks := submit("-J", "tasks", "-t", "5", "--array=1-2", "--mail-type=END,FAIL,ARRAY_TASKS",
		"--wrap", "exit $((SLURM_ARRAY_TASK_ID - 1))")
	expect("%s_1 tasks ended: completed", tasks)
	expect("%s_2 tasks ended: failed", tasks)
	again := submit("-J", "again", "-t", "5", "--mail-type=REQUEUE", "--wrap", "sleep 300")
	me.eventually("running", "queue", again)
	me.cox("requeue", again)
	expect("%s again was requeued", again)
	submit("-J", "silent", "-t", "5", "--wrap", "exit 1")

	slices.Sort(want)
	require.Equal(t, want, box.wait(len(want)))
	me.cox("cancel", again)

	files, err := filepath.Glob(filepath.Join(box.dir, "mail.*"))
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(text)
	}
	require.Contains(t, all.String(), "To: bob@example.org\n")
	require.Contains(t, all.String(), "To: "+alice.name+"\n")
	require.Regexp(t, `Exit code +3\n`, all.String())
}

// A mail that the mail system refuses, or whose server is killed, comes later.
func TestMailIsNotLost(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	c := ownCluster(t, cluster.Options{Args: []string{"--mail-command", box.command()}})
	me := alice.at(t, c, alice.home())
	closed := filepath.Join(box.dir, "closed")
	require.NoError(t, os.WriteFile(closed, nil, 0o600))
	id := strings.TrimSpace(me.cox("submit", "--parsable", "--wait", "--mem=30M", "-t", "5", "-o", "/dev/null",
		"-J", "late", "--mail-type=END", "--wrap", "true"))
	me.eventually("mailbox closed", "event", "list", id)
	require.NoError(t, syscall.Kill(c.Child("server"), syscall.SIGKILL))
	require.NoError(t, os.Remove(closed))
	require.Equal(t, []string{id + " late ended: completed"}, box.wait(1))
}

// withoutSendmail starts cox where the machine's mail system, if there is one, is not seen.
const withoutSendmail = `#!/bin/sh
exec unshare --mount /bin/sh -c '
	for f in /usr/sbin/sendmail /usr/lib/sendmail $(command -v sendmail); do
		[ ! -e "$f" ] || mount --bind /dev/null "$f"
	done
	exec "$0" "$@"' %s "$@"
`

// Without a mail system submit says so, and the job's history too.
func TestMailWithoutAMailSystem(t *testing.T) {
	t.Parallel()
	start := filepath.Join(t.TempDir(), "cox")
	require.NoError(t, os.WriteFile(start, fmt.Appendf(nil, withoutSendmail, binary()), 0o755))
	c := ownCluster(t, cluster.Options{Cox: start})
	me := alice.at(t, c, alice.home())
	r := me.try(binary(), "submit", "--parsable", "--mem=30M", "-t", "5", "-o", "/dev/null",
		"--mail-type=END", "--wrap", "true")
	require.Zero(t, r.code, r.err)
	require.Contains(t, r.err, "no sendmail")
	me.eventually("no sendmail", "event", "list", strings.TrimSpace(r.out))
}
