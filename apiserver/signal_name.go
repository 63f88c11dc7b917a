package apiserver

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
)

// signalName brings USR1, SIGUSR1, usr1 or 10 to the one form that is stored: USR1. Real-time
// signals are not taken: programs of different libraries number them differently.
func signalName(text string) (string, error) {
	name := strings.ToUpper(strings.TrimSpace(text))
	if n, err := strconv.Atoi(name); err == nil {
		name = unix.SignalName(unix.Signal(n))
	} else if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if name == "" || unix.SignalNum(name) == 0 {
		return "", api.Errorf(api.CodeInvalid, "%q is no signal; write a name such as USR1", text)
	}
	return strings.TrimPrefix(name, "SIG"), nil
}
