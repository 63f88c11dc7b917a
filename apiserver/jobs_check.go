package apiserver

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coxswain-hpc/coxswain/api"
)

// The bounds of a job. What is stored with every job is bounded tightly; script and environment are
// stored once and may be large.
const (
	scriptBytesMax       = 4 << 20 // Slurm's own default
	environmentBytesMax  = 4 << 20
	environmentCountMax  = 10_000
	argumentsCountMax    = 10_000
	argumentsBytesMax    = 1 << 20
	nameBytesMax         = 255
	textBytesMax         = 4096
	pathBytesMax         = 4096
	dependenciesMax      = 1000
	nodeNamesMax         = 10_000
	requestIDBytesMax    = 64
	cpuMillisMax         = 1_000_000 * api.MillisPerCPU
	memoryBytesMax       = int64(1) << 50
	timeLimitSecondsMax  = api.UnlimitedSeconds
	graceSecondsMax      = int64(86400)
	warningBeforeMax     = int64(65535) // Slurm's own
	niceMax              = int64(2_147_483_645)
	dependencyDelayMax   = int64(366 * 86400)
	requeueExitCodesMax  = 256
	containersPerRoleMax = 1
	podsMax              = int64(1) // of one instance
)

// check finds everything that is wrong with the request.
func (b *submission) check() {
	spec, wrong := b.spec, &b.wrong
	checkName("spec.name", spec.Name, wrong)
	checkText("spec.comment", spec.Comment, wrong)
	checkText("spec.wckey", spec.WCKey, wrong)
	checkText("spec.submit_host", spec.SubmitHost, wrong)
	checkPath("spec.submit_dir", spec.SubmitDir, wrong)
	if len(b.request.RequestID) > requestIDBytesMax {
		wrong.add("request_id", fmt.Sprintf("is longer than %d bytes", requestIDBytesMax))
	}
	var err error
	b.array, err = api.ParseArray(spec.Array)
	wrong.addError("spec.array", err)
	checkTimeLimit("spec.time_limit_seconds", spec.TimeLimitSeconds, b.partition, wrong)
	checkRange("spec.grace_seconds", spec.GraceSeconds, 0, graceSecondsMax, wrong)
	checkRange("spec.nice", spec.Nice, -niceMax, niceMax, wrong)
	b.checkWarning()
	b.checkMail()
	b.checkNodes()
	b.checkExitCodes()
	b.checkDependencies()
	b.checkRoles()
	b.checkPayload()
}

func (b *submission) checkRoles() {
	roles := b.spec.Roles
	if len(roles) == 0 {
		b.wrong.add("spec.roles", "must hold one role with a template")
		return
	}
	if int64(len(roles)) > podsMax || int64(roles[0].Count) > podsMax {
		b.wrong.add("spec.roles",
			"hold more than one pod; gangs (several nodes or roles) are not supported yet")
	}
	for i, role := range roles {
		field := fmt.Sprintf("spec.roles[%d]", i)
		checkName(field+".name", role.Name, &b.wrong)
		checkRange(field+".count", int64(role.Count), 1, podsMax, &b.wrong)
		b.checkTemplate(field+".template.containers", role.Template)
	}
}

func (b *submission) checkTemplate(field string, t api.PodTemplate) {
	mains := 0
	for i, c := range t.Containers {
		if c.Main {
			mains++
		}
		b.checkContainer(fmt.Sprintf("%s[%d]", field, i), c)
	}
	if mains != 1 {
		b.wrong.add(field, fmt.Sprintf("hold %d containers with main set; exactly one must be", mains))
	}
	if len(t.Containers) > containersPerRoleMax {
		b.wrong.add(field, "are several; containers beside the main one are not supported yet")
	}
}

func (b *submission) checkContainer(field string, c api.Container) {
	wrong := &b.wrong
	checkName(field+".name", c.Name, wrong)
	if c.Image != "" {
		wrong.add(field+".image", "is not supported yet: programs run from the node's file system")
	}
	checkResources(field+".requests", c.Requests, wrong)
	checkResources(field+".limits", c.Limits, wrong)
	if !c.Requests.Fits(c.Limits) && !c.WholeNodeMemory {
		wrong.add(field+".limits", "must not be below the requests")
	}
	if c.WorkingDir == "" {
		wrong.add(field+".working_dir", "is missing, and the user has no home to start in")
	}
	checkPath(field+".working_dir", c.WorkingDir, wrong)
	for name, pattern := range map[string]string{"stdin": c.Stdin, "stdout": c.Stdout, "stderr": c.Stderr} {
		if len(pattern) > pathBytesMax || strings.ContainsRune(pattern, 0) {
			wrong.add(field+"."+name, "is no path")
		}
	}
	checkArguments(field, c, wrong)
	checkRange(field+".umask", c.Umask, 0, 0o777, wrong)
	for name, value := range c.SoftLimits {
		if !softLimits[name] || value < -1 {
			wrong.add(field+".soft_limits."+name, "is no resource limit of getrlimit(2), or is negative")
		}
	}
}

// softLimits are the names of getrlimit(2), without RLIMIT_ and in lower case.
var softLimits = map[string]bool{
	"as": true, "core": true, "cpu": true, "data": true, "fsize": true, "locks": true, "memlock": true,
	"msgqueue": true, "nice": true, "nofile": true, "nproc": true, "rss": true, "rtprio": true, "rttime": true,
	"sigpending": true, "stack": true,
}

func checkArguments(field string, c api.Container, wrong *fieldErrors) {
	total := 0
	for _, list := range [][]string{c.Command, c.Args} {
		for _, a := range list {
			total += len(a)
			if strings.ContainsRune(a, 0) {
				wrong.add(field+".command", "or its arguments hold a NUL byte")
				return
			}
		}
	}
	if len(c.Command)+len(c.Args) > argumentsCountMax || total > argumentsBytesMax {
		wrong.add(field+".args",
			fmt.Sprintf("are more than %d, or %d bytes together", argumentsCountMax, argumentsBytesMax))
	}
}

// checkPayload: a script or a command, not both and not neither.
func (b *submission) checkPayload() {
	command := false
	for _, role := range b.spec.Roles {
		command = command || len(role.Template.Main().Command) > 0
	}
	script := b.request.Payload.Script
	switch {
	case command && len(script) > 0:
		b.wrong.add("payload.script", "and a command are both given; give one of them")
	case !command && len(script) == 0:
		b.wrong.add("payload.script", "is missing, and there is no command either: there is nothing to run")
	case len(script) > 0:
		checkScript(script, &b.wrong)
	}
	checkEnvironment(b.request.Payload.Environment, &b.wrong)
}

func checkScript(script []byte, wrong *fieldErrors) {
	line, _, _ := bytes.Cut(script, []byte("\n"))
	switch {
	case len(script) > scriptBytesMax:
		wrong.add("payload.script", fmt.Sprintf("is larger than %d MiB", scriptBytesMax>>20))
	case !bytes.HasPrefix(script, []byte("#!")):
		wrong.add("payload.script", "must begin with #! and the path of its interpreter, such as #!/bin/bash")
	case bytes.HasSuffix(line, []byte("\r")):
		wrong.add("payload.script", "has DOS line endings; convert it: sed -i 's/\\r$//' SCRIPT")
	case !strings.HasPrefix(strings.TrimLeft(string(line[2:]), " \t"), "/"):
		wrong.add("payload.script", "names no absolute path of an interpreter after #!")
	}
}

func checkEnvironment(environment []string, wrong *fieldErrors) {
	total := 0
	for i, e := range environment {
		total += len(e) + 1
		if name, _, found := strings.Cut(e, "="); !found || name == "" || strings.ContainsRune(e, 0) {
			wrong.add(fmt.Sprintf("payload.environment[%d]", i), "is not NAME=value")
			return
		}
	}
	if len(environment) > environmentCountMax || total > environmentBytesMax {
		wrong.add("payload.environment", fmt.Sprintf("is larger than %d variables or %d MiB",
			environmentCountMax, environmentBytesMax>>20))
	}
}

func checkResources(field string, r api.Resources, wrong *fieldErrors) {
	checkRange(field+".cpu_millis", r.CPUMillis, 0, cpuMillisMax, wrong)
	checkRange(field+".memory_bytes", r.MemoryBytes, 0, memoryBytesMax, wrong)
}

func checkTimeLimit(field string, limit int64, partition api.Partition, wrong *fieldErrors) {
	checkRange(field, limit, 1, timeLimitSecondsMax, wrong)
	if most := partition.Spec.MaxTimeSeconds; most > 0 && limit > most {
		wrong.add(field, fmt.Sprintf("is %s, but partition %s allows at most %s",
			duration(limit), partition.Name, duration(most)))
	}
}

func checkRange(field string, v, low, high int64, wrong *fieldErrors) {
	if v < low || v > high {
		wrong.add(field, fmt.Sprintf("is %d, but must lie between %d and %d", v, low, high))
	}
}

func checkName(field, name string, wrong *fieldErrors) {
	if !nameOK(name) {
		wrong.add(field,
			fmt.Sprintf("must be text of 1 to %d bytes without control characters", nameBytesMax))
	}
}

func nameOK(name string) bool {
	return name != "" && len(name) <= nameBytesMax && printable(name)
}

func checkText(field, text string, wrong *fieldErrors) {
	if len(text) > textBytesMax || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		wrong.add(field, fmt.Sprintf("must be text of at most %d bytes", textBytesMax))
	}
}

func checkPath(field, p string, wrong *fieldErrors) {
	if p != "" && (!path.IsAbs(p) || len(p) > pathBytesMax || strings.ContainsRune(p, 0)) {
		wrong.add(field, "must be an absolute path")
	}
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
