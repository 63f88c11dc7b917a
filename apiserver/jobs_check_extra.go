package apiserver

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

func (b *submission) checkWarning() {
	w := b.spec.Warning
	if w == nil {
		return
	}
	name, err := signalName(w.Signal)
	b.wrong.addError("spec.warning.signal", err)
	w.Signal = name
	checkRange("spec.warning.before_seconds", w.BeforeSeconds, 0, warningBeforeMax, &b.wrong)
}

// mailEvents are the words of Mail.Events.
var mailEvents = map[string]bool{
	"begin": true, "end": true, "fail": true, "requeue": true, "invalid_depend": true, "time_limit": true,
	"time_limit_90": true, "time_limit_80": true, "time_limit_50": true, "array_tasks": true,
}

func (b *submission) checkMail() {
	m := b.spec.Mail
	if m == nil {
		return
	}
	for i, e := range m.Events {
		if !mailEvents[e] {
			b.wrong.add(fmt.Sprintf("spec.mail.events[%d]", i), strconv.Quote(e)+" is no mail event")
		}
	}
	if m.User == "" {
		m.User = b.spec.Owner.User
	}
	// The address ends on a mailer's command line: it must not look like an option or a header.
	if !nameOK(m.User) || strings.HasPrefix(m.User, "-") || strings.ContainsAny(m.User, " ,;<>\"") {
		b.wrong.add("spec.mail.user", "is no user or mail address")
	}
}

// noteMail tells the submitter of mails that can't be sent as things are.
func (s *Server) noteMail(b *submission) {
	if b.spec.Mail == nil || s.options.MailReady == nil {
		return
	}
	if err := s.options.MailReady(); err != nil {
		b.note("its mails have to wait: %s", err)
	}
}

func (b *submission) checkNodes() {
	for field, names := range map[string][]string{
		"spec.node_names": b.spec.NodeNames, "spec.excluded_nodes": b.spec.ExcludedNodes,
	} {
		if len(names) > nodeNamesMax {
			b.wrong.add(field, fmt.Sprintf("are more than %d", nodeNamesMax))
		}
		for i, name := range names {
			if !nodeNameOK(name) {
				b.wrong.add(fmt.Sprintf("%s[%d]", field, i), strconv.Quote(name)+" is no node name")
				break
			}
		}
	}
}

func (b *submission) checkExitCodes() {
	codes := b.spec.RequeueExitCodes
	if len(codes) > requeueExitCodesMax {
		b.wrong.add("spec.requeue_exit_codes", "are more than there are exit codes")
	}
	for i, code := range codes {
		checkRange(fmt.Sprintf("spec.requeue_exit_codes[%d]", i), int64(code), 1, 255, &b.wrong)
	}
}

// dependencyKinds are the kinds; singleton alone names no job.
var dependencyKinds = map[api.DependencyKind]bool{
	api.DependencyAfter: true, api.DependencyAfterAny: true, api.DependencyAfterOK: true,
	api.DependencyAfterNotOK: true, api.DependencyAfterCorr: true, api.DependencySingleton: true,
}

func dependencyField(i int) string { return fmt.Sprintf("spec.dependencies[%d]", i) }

func (b *submission) checkDependencies() {
	list := b.spec.Dependencies
	if len(list) > dependenciesMax {
		b.wrong.add("spec.dependencies", fmt.Sprintf("are more than %d", dependenciesMax))
		return
	}
	for i := range list {
		b.checkDependency(dependencyField(i), &list[i])
	}
}

func (b *submission) checkDependency(field string, d *api.Dependency) {
	switch {
	case !dependencyKinds[d.Kind]:
		b.wrong.add(field+".kind", strconv.Quote(string(d.Kind))+" is no kind of dependency")
	case d.Kind == api.DependencySingleton:
		if d.On != 0 {
			b.wrong.add(field+".on", "names a job, but singleton takes none")
		}
		d.OnIndex = api.NoIndex
	case d.On <= 0:
		b.wrong.add(field+".on", "must be the number of a job")
	}
	if d.Kind == api.DependencyAfterCorr {
		d.OnIndex = api.NoIndex
		if !b.array.IsArray() {
			b.wrong.add(field+".kind", "aftercorr compares array tasks, but this job is no array")
		}
	}
	if d.DelaySeconds != 0 && d.Kind != api.DependencyAfter {
		b.wrong.add(field+".delay_seconds", "goes only with after")
	}
	checkRange(field+".delay_seconds", d.DelaySeconds, 0, dependencyDelayMax, &b.wrong)
}
