package loop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestMailsOfSettling(t *testing.T) {
	t.Parallel()
	all := []string{
		api.MailBegin, api.MailEnd, api.MailFail, api.MailRequeue, api.MailInvalidDepend, api.MailTimeLimit,
	}
	started := func(rec *api.JobRecord) { rec.Job.Status.StartedAt = &noon }
	for name, c := range map[string]struct {
		events []string
		array  string
		live   int64
		change func(*api.JobRecord)
		pods   []api.Pod
		want   []string // event, and the array index if the mail is about a task
	}{
		"nobody asked": {
			live: 1, pods: []api.Pod{pod("", 0, 1, api.PodFailed, &api.PodExit{Code: 1})},
		},
		"completed": {
			events: all, live: 1, pods: []api.Pod{pod("", 0, 1, api.PodCompleted, &api.PodExit{})},
			want: []string{"end"},
		},
		"failed is one mail": {
			events: all, live: 1, pods: []api.Pod{pod("", 0, 1, api.PodFailed, &api.PodExit{Code: 1})},
			want: []string{"fail"},
		},
		"failed, and only end is wanted": {
			events: []string{api.MailEnd}, live: 1,
			pods: []api.Pod{pod("", 0, 1, api.PodFailed, &api.PodExit{Code: 1})}, want: []string{"end"},
		},
		"time limit": {
			events: all, live: 1, pods: []api.Pod{pod("", 0, 1, api.PodTimeout, &api.PodExit{Code: 143})},
			want: []string{"fail", "time_limit"},
		},
		"requeued": {
			events: all, live: 1, pods: []api.Pod{pod("", 0, 1, api.PodNodeFailed, nil)},
			want: []string{"requeue"},
		},
		"refused before it began": {
			events: all, live: 1, pods: []api.Pod{pod("", 0, 1, api.PodRefused, nil)},
		},
		"a task of an array that is told of as a whole": {
			events: all, array: "1-2", live: 2, change: started,
			pods: []api.Pod{pod("1-2", 0, 1, api.PodCompleted, &api.PodExit{})},
		},
		"the last tasks of it": {
			events: all, array: "1-2", live: 2, change: started, pods: []api.Pod{
				pod("1-2", 0, 1, api.PodCompleted, &api.PodExit{}),
				pod("1-2", 1, 1, api.PodFailed, &api.PodExit{Code: 2}),
			}, want: []string{"fail"},
		},
		"each task": {
			events: append([]string{api.MailArrayTasks}, all...), array: "1-2", live: 2, change: started,
			pods: []api.Pod{
				pod("1-2", 0, 1, api.PodCompleted, &api.PodExit{}),
				pod("1-2", 1, 1, api.PodFailed, &api.PodExit{Code: 2}),
			}, want: []string{"end 1", "fail 2"},
		},
		"an array that was cancelled before any task began": {
			events: append([]string{api.MailArrayTasks}, all...), array: "1-2",
			change: func(rec *api.JobRecord) { rec.CancelWanted = true }, want: []string{"end"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(c.array, c.live, c.change)
			if c.events != nil {
				rec.Job.Spec.Mail = &api.Mail{Events: c.events, User: "ada"}
			}
			unit, ok := settle(rec, facts{now: noon, pods: c.pods})
			require.True(t, ok)
			require.Equal(t, c.want, words(unit.Mails))
			for _, m := range unit.Mails {
				require.Equal(t, noon, m.At)
			}
		})
	}
}

func words(mails []api.MailNotice) []string {
	var out []string
	for _, m := range mails {
		if m.Index == api.NoIndex {
			out = append(out, m.Event)
		} else {
			out = append(out, m.Event+" "+string(rune('0'+m.Index)))
		}
	}
	return out
}

func TestMailsOfBinds(t *testing.T) {
	t.Parallel()
	binds := func(expr string) []api.Pod {
		out := []api.Pod{pod(expr, 0, 1, api.PodBound, nil), pod(expr, 0, 1, api.PodBound, nil)}
		out[1].Key.Rank = 1
		return append(out, pod(expr, 1, 1, api.PodBound, nil))
	}
	mails := func(expr string, started *time.Time, events ...string) []string {
		rec := record(expr, 0, nil)
		rec.Job.Spec.Mail = &api.Mail{Events: events}
		rec.Job.Status.StartedAt = started
		return words(bindMails(rec, binds(expr)))
	}
	require.Equal(t, []string{"begin"}, mails("1-2", nil, api.MailBegin, api.MailTimeLimit90))
	require.Empty(t, mails("1-2", &noon, api.MailBegin), "an array begins once")
	require.Equal(t, []string{"begin 1", "time_limit_90 1", "begin 2", "time_limit_90 2"},
		mails("1-2", &noon, api.MailBegin, api.MailTimeLimit90, api.MailArrayTasks),
		"a mail per instance, not per rank")
	require.Empty(t, mails("1-2", nil, api.MailEnd))
}
