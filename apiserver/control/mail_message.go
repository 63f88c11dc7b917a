package control

import (
	"bytes"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// mailStartPoll is how often a pod is looked at whose start is waited for, mailLimitPoll one whose time
	// limit is: a limit may change.
	mailStartPoll = 2 * time.Second
	mailLimitPoll = time.Minute
	percent       = 100
)

// mailSubject is a mail with what it tells of. pod is nil for a job as a whole, and when it is gone.
type mailSubject struct {
	notice api.MailNotice
	job    api.Job
	pod    *api.Pod
}

// mailMoment is when a mail is to be sent.
type mailMoment struct {
	at    time.Time
	never bool
}

// limitParts are the events that come before the time limit, in percent of it.
var limitParts = map[string]int64{api.MailTimeLimit50: 50, api.MailTimeLimit80: 80, api.MailTimeLimit90: 90}

// when says when the mail is to be sent. It is pure.
func (s mailSubject) when(now time.Time) mailMoment {
	part, limit := limitParts[s.notice.Event]
	switch {
	case s.job.Spec.Mail == nil:
		return mailMoment{never: true}
	case s.notice.Attempt == 0 || !limit && s.notice.Event != api.MailBegin:
		return mailMoment{at: now}
	case s.pod == nil, s.pod.StartedAt == nil && s.pod.State.Ended():
		return mailMoment{never: true} // it never began
	case s.pod.StartedAt == nil:
		return mailMoment{at: now.Add(mailStartPoll)}
	case !limit:
		return mailMoment{at: now}
	}
	return s.atPart(part, now)
}

// atPart is the moment at which so many percent of the time limit have passed.
func (s mailSubject) atPart(part int64, now time.Time) mailMoment {
	at := s.pod.StartedAt.Add(time.Duration(s.pod.TimeLimitSeconds*part) * time.Second / percent)
	switch poll := now.Add(mailLimitPoll); {
	case s.pod.EndedAt != nil && s.pod.EndedAt.Before(at):
		return mailMoment{never: true}
	case at.After(poll):
		return mailMoment{at: poll}
	}
	return mailMoment{at: at}
}

func (s mailSubject) to() string {
	if s.job.Spec.Mail != nil && s.job.Spec.Mail.User != "" {
		return s.job.Spec.Mail.User
	}
	return s.job.Spec.Owner.User
}

// message is the whole mail. Its id is the same each time, so that a mail system can tell a repeated
// one.
func (s mailSubject) message(cluster string, now time.Time) []byte {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, oneLine(value)) }
	header("To", s.to())
	header("Subject", mime.QEncoding.Encode("utf-8", oneLine(s.title(cluster))))
	header("Date", now.Format(time.RFC1123Z))
	header("Message-ID", fmt.Sprintf("<job-%s-mail-%d@%s.coxswain>", s.notice.Job, s.notice.ID, idPart(cluster)))
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "8bit")
	b.WriteByte('\n')
	for _, line := range s.lines() {
		if line[1] != "" {
			fmt.Fprintf(&b, "%-10s %s\n", line[0], oneLine(line[1]))
		}
	}
	fmt.Fprintf(&b, "\n`cox job %s` and `cox history %s` say more.\n", s.number(), s.number())
	return b.Bytes()
}

// number is the job or task as people write it.
func (s mailSubject) number() string {
	if s.notice.Index == api.NoIndex {
		return s.notice.Job.String()
	}
	return s.notice.Job.String() + "_" + strconv.FormatInt(s.notice.Index, 10)
}

func (s mailSubject) title(cluster string) string {
	return fmt.Sprintf("%s job %s %s %s", cluster, s.number(), s.job.Spec.Name, s.happened())
}

func (s mailSubject) happened() string {
	if part, limit := limitParts[s.notice.Event]; limit {
		return fmt.Sprintf("has used %d %% of its time limit", part)
	}
	switch s.notice.Event {
	case api.MailBegin:
		return "began"
	case api.MailRequeue:
		return "was requeued"
	case api.MailInvalidDepend:
		return "has a dependency that can never be met"
	case api.MailTimeLimit:
		return "reached its time limit"
	}
	return "ended: " + strings.ReplaceAll(s.notice.State, "_", " ")
}

// lines are the name and the value of all that is known.
func (s mailSubject) lines() [][2]string {
	st := s.job.Status
	started, ended, code := st.StartedAt, st.EndedAt, strconv.Itoa(st.ExitCode)
	lines := [][2]string{
		{"Job", s.number() + " " + s.job.Spec.Name},
		{"User", s.job.Spec.Owner.User},
		{"Account", s.job.Spec.Account},
		{"Partition", s.job.Spec.Partition},
		{"What", s.happened()},
		{"Why", s.notice.Message},
		{"When", clockText(&s.notice.At)},
		{"Submitted", clockText(&st.SubmittedAt)},
	}
	if s.pod != nil {
		started, ended, code = s.pod.StartedAt, s.pod.EndedAt, ""
		lines = append(lines, [2]string{"Node", s.pod.Node})
		if s.pod.Exit != nil {
			code = strconv.Itoa(s.pod.Exit.Code)
		}
	}
	lines = append(lines, [2]string{"Started", clockText(started)}, [2]string{"Ended", clockText(ended)})
	if started != nil && ended != nil {
		elapsed := ended.Sub(*started).Round(time.Second).String()
		lines = append(lines, [2]string{"Elapsed", elapsed}, [2]string{"Exit code", code})
	}
	return append(lines, [2]string{"Directory", s.job.Spec.SubmitDir})
}

func clockText(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05 MST")
}

// oneLine keeps a value from making further header lines: names are the user's.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// idPart keeps what may stand in a message id.
func idPart(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, s)
}
