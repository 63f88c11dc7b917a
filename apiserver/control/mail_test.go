package control

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fakeStore keeps mails in memory and can fail.
type fakeStore struct {
	mu     sync.Mutex
	due    map[int64]time.Time
	mails  map[int64]api.MailNotice
	job    api.Job
	pods   []api.Pod
	events []api.Event
	fail   error
}

var _ MailStore = (*fakeStore)(nil)

func (s *fakeStore) ClaimMails(_ context.Context, now, until time.Time, limit int) ([]api.MailNotice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []api.MailNotice
	for id, m := range s.mails {
		if !s.due[id].After(now) && len(out) < limit {
			s.due[id] = until
			out = append(out, m)
		}
	}
	return out, s.fail
}

func (s *fakeStore) DeferMail(_ context.Context, id int64, at time.Time, tries int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.mails[id]
	m.Tries = tries
	s.mails[id], s.due[id] = m, at
	return nil
}

func (s *fakeStore) DropMail(_ context.Context, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mails, id)
	return nil
}

func (s *fakeStore) GetJob(_ context.Context, id api.JobID) (api.Job, error) {
	if id != s.job.ID {
		return api.Job{}, api.Errorf(api.CodeNotFound, "there is no job %s", id)
	}
	return s.job, nil
}

func (s *fakeStore) PodsByKeys(context.Context, []api.PodKey) ([]api.Pod, error) { return s.pods, nil }

func (s *fakeStore) AddEvents(_ context.Context, events []api.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	return nil
}

// fakeMailer keeps what it takes.
type fakeMailer struct {
	mu   sync.Mutex
	sent []string
	fail error
}

func (m *fakeMailer) Send(_ context.Context, message []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.sent = append(m.sent, string(message))
	}
	return m.fail
}

type bundle struct {
	store   *fakeStore
	mailer  *fakeMailer
	clock   *clock.Fake
	mail    *Mail
	leading bool
}

func setup(mails ...api.MailNotice) *bundle {
	b := &bundle{mailer: &fakeMailer{}, clock: clock.NewFake(noon), leading: true}
	spec := api.JobSpec{
		Name: "melt", Owner: api.Identity{User: "ada"}, Mail: &api.Mail{User: "ada@example.org"},
	}
	b.store = &fakeStore{
		due: map[int64]time.Time{}, mails: map[int64]api.MailNotice{}, job: api.Job{ID: 42, Spec: spec},
	}
	for i, m := range mails {
		m.ID, m.At = int64(i+1), noon
		b.store.mails[m.ID] = m
	}
	b.mail = NewMail(MailOptions{
		Store: b.store, Mailer: b.mailer, ClusterName: "cox", Clock: b.clock,
		Leading: func() bool { return b.leading },
		Logger:  slog.New(slog.DiscardHandler), Rand: rand.New(rand.NewPCG(1, 1)),
	})
	return b
}

func (b *bundle) run(t *testing.T) {
	t.Helper()
	require.NoError(t, b.mail.RunOnce(t.Context(), b.clock.Now()))
}

func (b *bundle) subjects(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, text := range b.mailer.sent {
		m, err := mail.ReadMessage(strings.NewReader(text))
		require.NoError(t, err)
		out = append(out, m.Header.Get("Subject"))
	}
	slices.Sort(out)
	return out
}

func end(job api.JobID) api.MailNotice {
	return api.MailNotice{Job: job, Index: api.NoIndex, Event: api.MailEnd, State: "out_of_memory"}
}

func TestMailIsSentOnce(t *testing.T) {
	t.Parallel()
	b := setup(end(42), end(7)) // 7 is gone
	b.leading = false
	b.run(t)
	require.Empty(t, b.mailer.sent, "the leader's server sends")
	b.leading = true
	b.run(t)
	b.run(t)
	require.Equal(t, []string{"cox job 42 melt ended: out of memory"}, b.subjects(t))
	require.Empty(t, b.store.mails)
}

func TestMailIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(end(42))
	b.mailer.fail = errors.New("mailbox full")
	b.run(t)
	require.Len(t, b.store.events, 1)
	require.Contains(t, b.store.events[0].Message, "mailbox full")
	b.clock.Advance(mailRetry.Min)
	b.run(t)
	require.Len(t, b.store.events, 1, "the history tells of it once")
	require.Equal(t, int32(2), b.store.mails[1].Tries)

	b.mailer.fail = nil
	b.clock.Advance(mailRetry.Max)
	b.run(t)
	require.Len(t, b.mailer.sent, 1)
}

func TestMailIsGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(end(42))
	b.mailer.fail = errors.New("no such user")
	b.run(t)
	b.clock.Advance(mailGiveUp + time.Second)
	b.run(t)
	require.Empty(t, b.store.mails)
	require.Contains(t, b.store.events[1].Message, "is given up: no such user")
}

func TestWhenMailIsDue(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) *time.Time { v := noon.Add(d); return &v }
	for name, c := range map[string]struct {
		event string
		pod   *api.Pod
		want  mailMoment
	}{
		"begin, and the program has started": {
			api.MailBegin, &api.Pod{State: api.PodRunning, StartedAt: at(-time.Second)}, mailMoment{at: noon},
		},
		"begin, not started": {api.MailBegin, &api.Pod{State: api.PodBound}, mailMoment{at: noon.Add(mailStartPoll)}},
		"begin, refused": {
			api.MailBegin, &api.Pod{State: api.PodRefused, EndedAt: at(0)}, mailMoment{never: true},
		},
		"begin, pod is gone":   {api.MailBegin, nil, mailMoment{never: true}},
		"end needs no waiting": {api.MailEnd, &api.Pod{State: api.PodFailed, EndedAt: at(0)}, mailMoment{at: noon}},
		"half of the limit, far away": {
			api.MailTimeLimit50, &api.Pod{State: api.PodRunning, StartedAt: at(0), TimeLimitSeconds: 3600},
			mailMoment{at: noon.Add(mailLimitPoll)},
		},
		"90 % of the limit, near": {
			api.MailTimeLimit90,
			&api.Pod{State: api.PodRunning, StartedAt: at(-80 * time.Second), TimeLimitSeconds: 100},
			mailMoment{at: noon.Add(10 * time.Second)},
		},
		"80 % was never reached": {
			api.MailTimeLimit80,
			&api.Pod{State: api.PodFailed, StartedAt: at(-50 * time.Second), EndedAt: at(0), TimeLimitSeconds: 100},
			mailMoment{never: true},
		},
		"80 % was reached before the end": {
			api.MailTimeLimit80,
			&api.Pod{State: api.PodTimeout, StartedAt: at(-100 * time.Second), EndedAt: at(0), TimeLimitSeconds: 100},
			mailMoment{at: noon.Add(-20 * time.Second)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailSubject{
				notice: api.MailNotice{Event: c.event, Attempt: 1}, pod: c.pod,
				job: api.Job{Spec: api.JobSpec{Mail: &api.Mail{}}},
			}
			require.Equal(t, c.want, s.when(noon))
		})
	}
}

// A job's name is the user's: it must not make header lines.
func TestMessageHeaders(t *testing.T) {
	t.Parallel()
	s := mailSubject{notice: end(42), job: api.Job{ID: 42, Spec: api.JobSpec{
		Name: "größe\nBcc: all@example.org", Owner: api.Identity{User: "ada"},
	}}}
	m, err := mail.ReadMessage(strings.NewReader(string(s.message("my cluster", noon))))
	require.NoError(t, err)
	require.Empty(t, m.Header.Get("Bcc"))
	require.Equal(t, "ada", m.Header.Get("To"))
	require.Equal(t, "<job-42-mail-0@my-cluster.coxswain>", m.Header.Get("Message-ID"))
	require.NotContains(t, m.Header.Get("Subject"), "\n")
}

func TestMailCommand(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/mail"
	require.NoError(t, MailCommand("cat > "+file).Send(t.Context(), []byte("To: ada\n\ntext\n")))
	err := MailCommand("cat >/dev/null; echo no route >&2; exit 75").Send(t.Context(), nil)
	require.ErrorContains(t, err, "no route")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = MailCommand("sleep 300 & sleep 300").Send(ctx, nil)
	require.ErrorContains(t, err, "in time")
	require.Less(t, time.Since(began), time.Minute, "a mail system that hangs holds up nobody")
}
