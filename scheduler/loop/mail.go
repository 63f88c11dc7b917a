package loop

import (
	"github.com/coxswain-hpc/coxswain/api"
)

// This file says which mails follow from what the leader decides. They are stored in the same
// transaction; apiserver/control sends them.

// perTask says whether each task of the array has mails of its own.
func perTask(spec api.JobSpec) bool {
	return spec.Array == "" || spec.Mail.Wants(api.MailArrayTasks)
}

// limitMails are told of by the controller when the time comes.
var limitMails = []string{api.MailTimeLimit50, api.MailTimeLimit80, api.MailTimeLimit90}

// bindMails are those of new pods: begin waits for the program's start, the parts of the time limit for
// theirs.
func bindMails(rec api.JobRecord, binds []api.Pod) []api.MailNotice {
	mail := rec.Job.Spec.Mail
	if mail == nil {
		return nil
	}
	var out []api.MailNotice
	for _, p := range binds {
		if p.Key.Rank != 0 {
			continue
		}
		if !perTask(rec.Job.Spec) {
			return wholeBegin(rec, p)
		}
		for _, event := range append([]string{api.MailBegin}, limitMails...) {
			if mail.Wants(event) {
				out = append(out, noticeOf(event, p))
			}
		}
	}
	return out
}

// wholeBegin is the mail of an array's first task.
func wholeBegin(rec api.JobRecord, first api.Pod) []api.MailNotice {
	if rec.Job.Status.StartedAt != nil || !rec.Job.Spec.Mail.Wants(api.MailBegin) {
		return nil
	}
	return []api.MailNotice{{Job: rec.Job.ID, Index: api.NoIndex, Event: api.MailBegin, At: first.BoundAt}}
}

func noticeOf(event string, p api.Pod) api.MailNotice {
	return api.MailNotice{
		Job: p.Key.Owner, Index: p.Key.Index, Attempt: p.Key.Attempt, Event: event, At: p.BoundAt,
	}
}

// mail adds a mail about the whole job.
func (s *settling) mail(event, state, message string) {
	if s.rec.Job.Spec.Mail.Wants(event) {
		s.unit.Mails = append(s.unit.Mails, api.MailNotice{
			Job: s.rec.Job.ID, Index: api.NoIndex, Event: event, State: state, Message: message, At: s.now,
		})
	}
}

// mailAgain tells of an instance that is placed again.
func (s *settling) mailAgain(p api.Pod) {
	if perTask(s.rec.Job.Spec) {
		s.mailOf(api.MailRequeue, p)
	}
}

// mailFinish tells of a task that ended for good. A job without an array is told of at its end.
func (s *settling) mailFinish(p api.Pod) {
	if s.array.IsArray() && perTask(s.rec.Job.Spec) {
		good := p.State == api.PodCompleted || p.State == api.PodCancelled
		for _, event := range endMails(s.rec.Job.Spec.Mail, good) {
			s.mailOf(event, p)
		}
		if p.State == api.PodTimeout {
			s.mailOf(api.MailTimeLimit, p)
		}
	}
}

func (s *settling) mailOf(event string, p api.Pod) {
	if !s.rec.Job.Spec.Mail.Wants(event) {
		return
	}
	m := noticeOf(event, p)
	m.State, m.Message, m.At = string(p.State), messageOf(p), s.now
	s.unit.Mails = append(s.unit.Mails, m)
}

// endMails is at most one mail about an end: fail for a bad one if that is wanted, else end.
func endMails(mail *api.Mail, good bool) []string {
	switch {
	case !good && mail.Wants(api.MailFail):
		return []string{api.MailFail}
	case mail.Wants(api.MailEnd):
		return []string{api.MailEnd}
	}
	return nil
}

// mailEnd tells of the end of the job, unless its tasks have told of theirs.
func (s *settling) mailEnd() {
	state := string(s.st.State)
	if s.never != "" {
		s.mail(api.MailInvalidDepend, state, s.never)
	}
	if s.array.IsArray() && perTask(s.rec.Job.Spec) && s.st.StartedAt != nil {
		return
	}
	good := s.st.State == api.JobCompleted || s.st.State == api.JobCancelled
	for _, event := range endMails(s.rec.Job.Spec.Mail, good) {
		s.mail(event, state, s.st.Message)
	}
	if s.st.Counts.Timeout > 0 {
		s.mail(api.MailTimeLimit, state, s.st.Message)
	}
}
