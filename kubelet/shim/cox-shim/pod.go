package main

import (
	"bytes"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup/podgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// pod is the state of the shim. Only the goroutine in loop touches it after start, except for the
// fields that say so.
type pod struct {
	spec   shimapi.Spec
	state  shimapi.State
	times  timeline
	notify *os.File

	stopReason shimapi.Reason // set by the first stop
	stopSignal bool           // the stop reached a process
	mainStatus *unix.WaitStatus
	totals     totals
	rssPeak    int64
	leftover   int

	alarm     *alarm
	mainEnded chan struct{} // nil once seen
	reaped    chan reaped   // nil until the reaper is needed, and when it found nothing left
	commands  chan command
	attached  *attachment // nil unless the spec asks for it

	// record is written once, before ended is closed; readers wait for ended.
	record *shimapi.ExitRecord
	ended  chan struct{}
}

// command is a request on its way to the loop.
type command struct {
	request shimapi.Request
	reply   chan shimapi.Response // buffered, so the loop never waits
}

func newPod(spec shimapi.Spec, notify *os.File) *pod {
	return &pod{
		spec: spec, notify: notify,
		mainEnded: make(chan struct{}),
		commands:  make(chan command),
		ended:     make(chan struct{}),
		state: shimapi.State{
			Version: shimapi.Version, Pod: spec.Pod, Attempt: spec.Attempt,
			BootID: bootID(), Shim: identify(os.Getpid()), Phase: shimapi.PhaseStarting,
		},
	}
}

func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(data))
}

// start runs the main process and tells the kubelet. A failure becomes the exit record.
func (p *pod) start() {
	main, prep, failure := p.startMain()
	deaf.Do(ignoreSignals) // before anybody hears of the pod
	if failure != nil {
		if main.pid != 0 { // it runs, but not as it should
			_ = unix.Kill(main.pid, unix.SIGKILL)
			_, _ = unix.Wait4(main.pid, nil, 0, nil)
		}
		p.finish(shimapi.ExitRecord{Reason: shimapi.ReasonStartFailed, Start: failure})
		return
	}
	now := boottime()
	p.state.Main = identify(main.pid)
	p.state.Phase = shimapi.PhaseRunning
	p.state.StartedUnixNS, p.state.StartedBoottimeNS = time.Now().UnixNano(), now
	p.times.started(p.spec, now)
	if p.spec.Attach {
		p.attached = newAttachment(prep)
	}
	p.saveState()
	p.tell(p.status())
	go watchMain(main.pidfd, p.mainEnded)
}

// startMain works in the user's directory and with his umask, and comes back to the shim's own.
func (p *pod) startMain() (child, *prepared, *shimapi.StartError) {
	home, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return child{}, nil, nodeError(shimapi.StepSpec, "", err)
	}
	defer func() { _ = unix.Close(home) }()
	umask := unix.Umask(p.spec.Umask)
	defer unix.Umask(umask)
	prep, failure := prepare(p.spec)
	defer prep.closeStdio()
	var main child
	if failure == nil {
		main, failure = launch(p.spec, prep)
	}
	if err := unix.Fchdir(home); err != nil && failure == nil {
		failure = nodeError(shimapi.StepSpec, "", err)
	}
	return main, prep, failure
}

// loop is the pod's life after the start. It returns when the exit record is durable, and nobody
// waits for output any more.
func (p *pod) loop() error {
	if p.record == nil {
		if err := p.run(); err != nil {
			return err
		}
	}
	err := p.writeRecordRetrying()
	if p.attached != nil {
		p.attached.linger(p.record)
	}
	return err
}

func (p *pod) run() error {
	var err error
	if p.alarm, err = newAlarm(); err != nil {
		return err
	}
	for p.record == nil {
		if err := p.alarm.set(p.times.next()); err != nil {
			return err
		}
		select {
		case <-p.mainEnded:
			p.mainEnded = nil
			p.sweep()
		case r, ok := <-p.reaped:
			if ok {
				p.onReaped(r)
				continue
			}
			p.reaped = nil
			p.allGone()
		case <-p.alarm.c:
			p.onTime(boottime())
		case c := <-p.commands:
			c.reply <- p.onRequest(c.request, boottime())
		case <-p.attached.vanished():
			if p.spec.KillOnDetach {
				p.stop(shimapi.ReasonDetached, unix.SIGTERM, p.grace(), boottime())
			}
		}
	}
	return nil
}

// leavesNothing says that this process is as good as new after the pod: it started, nobody is
// attached, and nothing was changed that can't be changed back.
func (p *pod) leavesNothing() bool {
	return p.record != nil && p.record.Start == nil && (p.attached == nil || p.attached.over()) &&
		!p.spec.NoNewPrivs && p.reaped == nil
}

func (p *pod) grace() time.Duration { return time.Duration(p.spec.GraceMS) * time.Millisecond }

// onTime does what is due.
func (p *pod) onTime(now int64) {
	if take(&p.times.warn, now) && p.spec.Warn != nil {
		target := shimapi.TargetOthers
		if p.spec.Warn.MainOnly {
			target = shimapi.TargetMain
		}
		_ = p.signal(unix.Signal(p.spec.Warn.Signal), target) // a warning without a reader is no error
	}
	if take(&p.times.limit, now) {
		p.stop(shimapi.ReasonTimeout, unix.SIGTERM, p.grace(), now)
	}
	if take(&p.times.lease, now) {
		p.stop(shimapi.ReasonLeaseExpired, unix.SIGTERM, p.grace(), now)
	}
	if take(&p.times.kill, now) {
		p.kill(now)
	}
	if take(&p.times.sample, now) {
		p.sample()
		p.times.sampled(now)
		p.sweep()
	}
}

// stop begins the end: signal to all, and KILL of what is left after grace. A second stop may only
// shorten the grace; the first one's reason stays.
func (p *pod) stop(reason shimapi.Reason, sig unix.Signal, grace time.Duration, now int64) {
	killAt := now + int64(grace)
	if p.stopReason == "" {
		p.stopReason = reason
		p.state.Phase = shimapi.PhaseStopping
		p.stopSignal = p.mainStatus == nil
		p.times.kill = killAt
	}
	p.times.kill = min(p.times.kill, killAt)
	if grace > 0 {
		_ = p.signal(sig, shimapi.TargetAll)          // nobody left is what we want
		_ = p.signal(unix.SIGCONT, shimapi.TargetAll) // a stopped process can't act on the first
		return
	}
	p.times.kill = 0
	p.kill(now)
}

// kill kills everything and plans to do it again, until the reaper finds nothing.
func (p *pod) kill(now int64) {
	p.times.kill = now + int64(killAgain)
	_ = killMembers(p.spec.Cgroup) // tried again until it works
}

// signal sends sig to the chosen processes.
func (p *pod) signal(sig unix.Signal, to shimapi.Target) error {
	main := p.state.Main.PID
	if to == shimapi.TargetMain {
		if p.mainStatus != nil {
			return unix.ESRCH
		}
		return unix.Kill(main, sig)
	}
	pids, err := members(p.spec.Cgroup)
	if err != nil {
		return err
	}
	sent := 0
	for _, pid := range pids {
		skip := to == shimapi.TargetOthers && pid == main && len(pids) > 1
		if !skip && unix.Kill(pid, sig) == nil {
			sent++
		}
	}
	if sent == 0 {
		return unix.ESRCH
	}
	return nil
}

// sweep reaps what has ended. A pod with orphans, before or after the end of its main process, gets a
// reaper that waits for them: unreaped ones would count against its limit on processes.
func (p *pod) sweep() {
	if p.reaped != nil {
		return
	}
	orphans := false
	none := sweep(func(r reaped) {
		orphans = orphans || r.pid != p.state.Main.PID
		p.onReaped(r)
	})
	switch {
	case none:
		p.allGone()
	case orphans || p.mainStatus != nil:
		p.reaped = make(chan reaped)
		go reap(p.reaped)
	}
}

// onReaped counts an ended process. After the main one, what it left is killed, unless a stop gave
// everybody a grace that still runs.
func (p *pod) onReaped(r reaped) {
	p.totals.add(r.usage)
	if r.pid != p.state.Main.PID || p.mainStatus != nil {
		return
	}
	p.mainStatus = &r.status
	p.sample()
	if p.stopReason != "" && p.times.kill > boottime() {
		return
	}
	p.killLeftover(boottime())
}

// killLeftover kills what outlived the main process. Most pods leave nothing, so it first asks the
// cheap question; without a group the reaper is about to answer it.
func (p *pod) killLeftover(now int64) {
	if !p.spec.Cgroup.Tracks() {
		p.times.kill = now + int64(leftoverPatience)
		return
	}
	if empty, err := podgroup.Empty(p.spec.Cgroup); err == nil && empty {
		return
	}
	pids, _ := members(p.spec.Cgroup) // the count is for people; the kill doesn't need it
	p.leftover = len(pids)
	p.kill(now)
}

// allGone ends the pod once no descendant is left and the group is empty: a process that somebody
// else moved into the group is killed too, though it is no child of ours.
func (p *pod) allGone() {
	empty, err := podgroup.Empty(p.spec.Cgroup)
	if err != nil || !empty {
		p.kill(boottime())
		again := make(chan reaped)
		p.reaped = again
		time.AfterFunc(killAgain, func() { close(again) })
		return
	}
	p.finish(p.outcome())
}

func (p *pod) sample() {
	rss, err := podgroup.RSS(p.spec.Cgroup)
	if err == nil {
		p.rssPeak = max(p.rssPeak, rss)
	}
}

// outcome tells how the pod ended.
func (p *pod) outcome() shimapi.ExitRecord {
	record := shimapi.ExitRecord{Usage: p.usage(), Leftover: p.leftover}
	status := *p.mainStatus
	record.Reason = shimapi.ReasonExited
	if status.Signaled() {
		record.Reason, record.Signal = shimapi.ReasonSignaled, int(status.Signal())
	} else {
		record.ExitCode = status.ExitStatus()
	}
	switch {
	case p.stopReason != "" && p.stopSignal:
		record.Reason = p.stopReason
	case record.Usage.OOMKills > 0:
		// Whatever the script made of it: as with Slurm, a job whose process was killed at the memory
		// limit ran out of memory.
		record.Reason = shimapi.ReasonOutOfMemory
	}
	return record
}

// usage measures the pod now.
func (p *pod) usage() shimapi.Usage {
	u, err := podgroup.Usage(p.spec.Cgroup)
	u.RSSPeakBytes = max(p.rssPeak, u.RSSBytes)
	const kib = 1024
	u.MaxProcessRSS = p.totals.maxRSSKiBytes * kib
	if u.CPUNS == 0 || errors.Is(err, os.ErrNotExist) {
		u.FromDescendant = true
		u.CPUUserNS, u.CPUSystemNS = int64(p.totals.user), int64(p.totals.system)
		u.CPUNS = u.CPUUserNS + u.CPUSystemNS
	}
	return u
}

// finish completes the record and publishes it: on disk first, then to whoever waits.
func (p *pod) finish(record shimapi.ExitRecord) {
	record.Version, record.Pod, record.Attempt = shimapi.Version, p.spec.Pod, p.spec.Attempt
	record.StartedUnixNS, record.StartedBoottimeNS = p.state.StartedUnixNS, p.state.StartedBoottimeNS
	record.EndedUnixNS, record.EndedBoottimeNS = time.Now().UnixNano(), boottime()
	record.MemoryBytes = p.spec.MemoryBytes
	p.state.Phase = shimapi.PhaseEnded
	p.record = &record
}
