package header

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// signalNames are Linux's signals by number, on the machines that Coxswain runs on.
var signalNames = []string{
	1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 10: "USR1",
	11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 16: "STKFLT", 17: "CHLD", 18: "CONT",
	19: "STOP",
	20: "TSTP", 21: "TTIN", 22: "TTOU", 23: "URG", 24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF",
	28: "WINCH",
	29: "IO", 30: "PWR", 31: "SYS",
}

const (
	signalSecondsDefault = 60
	signalSecondsMax     = 65535
)

// setSignal reads [B:]NAME[@seconds].
func setSignal(o *Options, v string) error {
	flags, rest, flagged := strings.Cut(v, ":")
	if !flagged {
		flags, rest = "", v
	}
	w := api.WarningSignal{BeforeSeconds: signalSecondsDefault}
	switch strings.ToUpper(flags) {
	case "B":
		w.BatchOnly = true
	case "R", "BR", "RB":
		return notYet("%q: R: is for reservations, which are not done yet", clip(v))
	case "":
		if flagged {
			return fmt.Errorf("%q: write B: or nothing in front of the signal", clip(v))
		}
	default:
		return fmt.Errorf("%q: write B: or nothing in front of the signal", clip(v))
	}
	name, at, timed := strings.Cut(rest, "@")
	if timed {
		n, err := strconv.ParseUint(at, 10, 31)
		if err != nil || n > signalSecondsMax {
			return fmt.Errorf("%q: write seconds from 0 to %d behind the @", clip(v), signalSecondsMax)
		}
		w.BeforeSeconds = int64(n)
	}
	var err error
	w.Signal, err = signalName(name)
	o.Warning = &w
	return err
}

// signalName reads USR1, SIGUSR1 or 10 and gives USR1.
func signalName(s string) (string, error) {
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < len(signalNames) {
		return signalNames[n], nil
	}
	if slices.Contains(signalNames[1:], name) {
		return name, nil
	}
	return "", fmt.Errorf("%q is no signal; write a name such as USR1, or a number from 1 to 31", clip(s))
}
