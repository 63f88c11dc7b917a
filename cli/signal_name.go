package cli

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalName is the name of a signal number without SIG: TERM, KILL; a number if it has none.
func signalName(number int) string {
	name := unix.SignalName(syscall.Signal(number))
	if name == "" {
		return "signal " + strconv.Itoa(number)
	}
	return strings.TrimPrefix(name, "SIG")
}

// osSignalName is signalName for a signal that this process received.
func osSignalName(s os.Signal) string {
	if n, ok := s.(syscall.Signal); ok {
		return signalName(int(n))
	}
	return s.String()
}
