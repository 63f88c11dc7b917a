package step

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
)

// signalMax is the highest signal number of Linux.
const signalMax = 64

// SignalNumber reads a signal as people write it: USR1, SIGUSR1, usr1 or 10.
func SignalNumber(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil {
		if n < 1 || n > signalMax {
			return 0, api.Errorf(api.CodeInvalid, "%d is no signal; signals are 1 to %d", n, signalMax)
		}
		return n, nil
	}
	upper := strings.ToUpper(name)
	if !strings.HasPrefix(upper, "SIG") {
		upper = "SIG" + upper
	}
	if n := unix.SignalNum(upper); n != 0 {
		return int(n), nil
	}
	return 0, api.Errorf(api.CodeInvalid, "%q is no signal; write a name such as USR1 or a number", name)
}

// rlimitNames are the limits that a job may carry, by their name in lower case without RLIMIT_.
var rlimitNames = map[string]int{
	"as":         unix.RLIMIT_AS,
	"core":       unix.RLIMIT_CORE,
	"cpu":        unix.RLIMIT_CPU,
	"data":       unix.RLIMIT_DATA,
	"fsize":      unix.RLIMIT_FSIZE,
	"locks":      unix.RLIMIT_LOCKS,
	"memlock":    unix.RLIMIT_MEMLOCK,
	"msgqueue":   unix.RLIMIT_MSGQUEUE,
	"nice":       unix.RLIMIT_NICE,
	"nofile":     unix.RLIMIT_NOFILE,
	"nproc":      unix.RLIMIT_NPROC,
	"rss":        unix.RLIMIT_RSS,
	"rtprio":     unix.RLIMIT_RTPRIO,
	"rttime":     unix.RLIMIT_RTTIME,
	"sigpending": unix.RLIMIT_SIGPENDING,
	"stack":      unix.RLIMIT_STACK,
}
