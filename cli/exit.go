package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// The exit codes of cox. docs/exit-codes.md shows the same table; a test compares them.
const (
	exitOK           = 0
	exitError        = 1
	exitUsage        = 2
	exitNotFound     = 3
	exitRefused      = 4
	exitUnavailable  = 5
	exitNotPossible  = 6
	exitConflict     = 7
	exitNodeFailed   = 123
	exitTimeout      = 124
	exitNoCommand    = 127
	exitCancelled    = 130
	exitOutOfMemory  = 137
	exitSignalOffset = 128
)

// exitMeaning is a line of the table of exit codes.
type exitMeaning struct {
	Code    string
	Meaning string
}

// exitTable is what `cox help exit-codes` prints.
func exitTable() []exitMeaning {
	return []exitMeaning{
		{"0", "done; of run, wait and submit --wait: the job completed"},
		{"1", "another error, or the job's own code 1"},
		{"2", "the command line, a header or a file is wrong"},
		{"3", "no such job, node or other object, or it is not yours to see"},
		{"4", "refused: you are not known, or not allowed to do that"},
		{"5", "the server or its database is away"},
		{"6", "not possible: the job has ended, no node could run it, or a limit is reached"},
		{"7", "changed by somebody else meanwhile, or the name is taken"},
		{"N", "run, wait, submit --wait: the job's exit code (of an array the highest)"},
		{"123", "run, wait, submit --wait: the job was lost with its node"},
		{"124", "run, wait, submit --wait: the job reached its time limit"},
		{"127", "run, wait, submit --wait: the program can't be run, or the shell's own 127"},
		{"128+N", "run, wait, submit --wait: the job was ended by signal N"},
		{"130", "run, wait, submit --wait: the job was cancelled; or the command was interrupted"},
		{"137", "run, wait, submit --wait: the job ran out of memory, or was killed"},
	}
}

// exitTableText aligns the table.
func exitTableText() string {
	var b strings.Builder
	for _, m := range exitTable() {
		fmt.Fprintf(&b, "  %-6s %s\n", m.Code, m.Meaning)
	}
	return b.String()
}

// statusError ends the command with a code and no message: the job has said what it had to say.
type statusError struct{ code int }

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// usageError is a wrong command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitCodeOf is the exit code for an error.
func exitCodeOf(err error) int {
	var status statusError
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return status.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitCancelled
	}
	return codeExit(api.CodeOf(err))
}

func codeExit(code api.Code) int {
	switch code {
	case api.CodeInvalid, api.CodeInvalidID, api.CodeUnknownField, api.CodeUnsupported:
		return exitUsage
	case api.CodeNotFound:
		return exitNotFound
	case api.CodeUnauthenticated, api.CodeForbidden, api.CodeIdentityMismatch:
		return exitRefused
	case api.CodeUnavailable, api.CodeNotLeader, api.CodeGone, api.CodeTransactionPool:
		return exitUnavailable
	case api.CodeEnded, api.CodeImpossible, api.CodeLimit:
		return exitNotPossible
	case api.CodeConflict, api.CodeExists, api.CodeStaleAttempt:
		return exitConflict
	case api.CodeInternal:
	}
	return exitError
}

// jobExit is the exit code of run, wait and submit --wait for an ended job.
func jobExit(job api.Job) int {
	return stateExit(string(job.Status.State), commandExit(job.Status.Reason, job.Status.ExitCode))
}

// commandExit is the shell's code for a program that can't be run.
func commandExit(reason api.Reason, code int) int {
	if reason == api.ReasonCommand && code == 0 {
		return exitNoCommand
	}
	return code
}

// stateExit joins an end state (of a job or pod) and the main process's code.
func stateExit(state string, code int) int {
	switch state {
	case string(api.JobCompleted):
		return exitOK
	case string(api.JobTimeout):
		return exitTimeout
	case string(api.JobOutOfMemory):
		return exitOutOfMemory
	case string(api.JobNodeFailed):
		return exitNodeFailed
	case string(api.JobCancelled):
		return exitCancelled
	}
	if code == 0 {
		return exitError // failed before it had a code of its own
	}
	return code
}
