package control

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

const (
	// MailEvery is how often mails that are due are looked for.
	MailEvery = 2 * time.Second
	// mailBatch is how many mails are on their way at once.
	mailBatch = 8
	// mailRoundsMax bounds one run; what is left over comes with the next.
	mailRoundsMax = 100
	// mailSendMax bounds one mail's way out, mailClaim how long a claimed one is left alone: until then
	// the one who claimed it has sent it or is dead.
	mailSendMax = 20 * time.Second
	mailClaim   = time.Minute
	// mailGiveUp is the age at which a mail that can't be sent is given up, as mail systems do.
	mailGiveUp = 5 * 24 * time.Hour
)

// mailRetry is the pause after failures to send a mail.
var mailRetry = backoff.Policy{Min: 5 * time.Second, Max: 15 * time.Minute}

// MailStore is the part of the store that mails are kept in.
type MailStore interface {
	// ClaimMails takes at most limit mails that are due, and keeps them from others until a time.
	ClaimMails(ctx context.Context, now, until time.Time, limit int) ([]api.MailNotice, error)
	// DeferMail makes a mail due later, DropMail forgets one.
	DeferMail(ctx context.Context, id int64, notBefore time.Time, tries int32) error
	DropMail(ctx context.Context, id int64) error
	GetJob(ctx context.Context, id api.JobID) (api.Job, error)
	PodsByKeys(ctx context.Context, keys []api.PodKey) ([]api.Pod, error)
	AddEvents(ctx context.Context, events []api.Event) error
}

// Mailer hands a whole message (header lines, an empty line, text) to the mail system. It returns once the
// mail system has taken it, and soon after ctx ends. It is called from several goroutines.
type Mailer interface {
	Send(ctx context.Context, message []byte) error
}

// Mail sends the mails that jobs ask for, at least once each.
type Mail struct {
	store   MailStore
	mailer  Mailer
	cluster string
	leading func() bool
	clock   clock.Clock
	log     *slog.Logger

	mu   sync.Mutex
	rand *rand.Rand
}

// MailOptions are what a Mail needs. All fields are needed.
type MailOptions struct {
	Store  MailStore
	Mailer Mailer
	// ClusterName stands in the subjects.
	ClusterName string
	// Leading says whether this server is the leader's: one sends.
	Leading func() bool
	Clock   clock.Clock
	Logger  *slog.Logger
	Rand    *rand.Rand
}

// NewMail returns the mail controller.
func NewMail(o MailOptions) *Mail {
	return &Mail{
		store: o.Store, mailer: o.Mailer, cluster: o.ClusterName, leading: o.Leading, clock: o.Clock,
		log: o.Logger.With(slog.String("component", "mail")), rand: o.Rand,
	}
}

// RunOnce sends what is due.
func (m *Mail) RunOnce(ctx context.Context, _ time.Time) error {
	for range mailRoundsMax {
		if !m.leading() {
			return nil
		}
		now := m.clock.Now()
		due, err := m.store.ClaimMails(ctx, now, now.Add(mailClaim), mailBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		group, inner := errgroup.WithContext(ctx)
		for _, notice := range due {
			group.Go(func() error { return m.serve(inner, notice, now) })
		}
		if err := group.Wait(); err != nil {
			return err //nolint:wrapcheck // serve says which mail
		}
	}
	return nil
}

// serve sends a mail, puts it off, or drops it.
func (m *Mail) serve(ctx context.Context, notice api.MailNotice, now time.Time) error {
	subject, err := m.read(ctx, notice)
	if api.CodeOf(err) == api.CodeNotFound {
		return m.store.DropMail(ctx, notice.ID)
	}
	if err != nil {
		return err
	}
	switch when := subject.when(now); {
	case when.never:
		return m.store.DropMail(ctx, notice.ID)
	case when.at.After(now):
		return m.store.DeferMail(ctx, notice.ID, when.at, notice.Tries)
	}
	sending, cancel := context.WithTimeout(ctx, mailSendMax)
	defer cancel()
	if err := m.mailer.Send(sending, subject.message(m.cluster, now)); err != nil {
		return m.failed(ctx, subject, now, err)
	}
	return m.store.DropMail(ctx, notice.ID)
}

// read gets what a mail tells of.
func (m *Mail) read(ctx context.Context, notice api.MailNotice) (mailSubject, error) {
	subject := mailSubject{notice: notice}
	var err error
	if subject.job, err = m.store.GetJob(ctx, notice.Job); err != nil || notice.Attempt == 0 {
		return subject, err
	}
	pods, err := m.store.PodsByKeys(ctx, []api.PodKey{{
		Instance: api.Instance{Owner: notice.Job, Index: notice.Index}, Attempt: notice.Attempt,
	}})
	if len(pods) > 0 {
		subject.pod = &pods[0]
	}
	return subject, err
}

// failed puts a mail off that could not be sent, and tells the job's history of it once.
func (m *Mail) failed(ctx context.Context, subject mailSubject, now time.Time, cause error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the server stops: the mail is due again after its claim
	}
	notice := subject.notice
	notice.Tries++
	m.log.WarnContext(ctx, "mail not sent", slog.Int64("job_id", int64(notice.Job)),
		slog.String("event", notice.Event), slog.Int("tries", int(notice.Tries)), slog.Any("error", cause))
	if now.Sub(notice.At) > mailGiveUp {
		if err := m.tell(ctx, subject, now, fmt.Sprintf("is given up: %v", cause)); err != nil {
			return err
		}
		return m.store.DropMail(ctx, notice.ID)
	}
	if notice.Tries == 1 {
		what := fmt.Sprintf("could not be sent and is tried again: %v", cause)
		if err := m.tell(ctx, subject, now, what); err != nil {
			return err
		}
	}
	return m.store.DeferMail(ctx, notice.ID, now.Add(m.pause(notice.Tries)), notice.Tries)
}

func (m *Mail) pause(tries int32) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return mailRetry.Wait(int(tries), m.rand)
}

func (m *Mail) tell(ctx context.Context, subject mailSubject, now time.Time, what string) error {
	return m.store.AddEvents(ctx, []api.Event{{
		At: now, Kind: api.KindJob, Object: subject.notice.Job.String(), Actor: "mail",
		Message: fmt.Sprintf("the mail about %s to %s %s", subject.notice.Event, subject.to(), what),
	}})
}
