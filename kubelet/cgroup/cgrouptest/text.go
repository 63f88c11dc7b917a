package cgrouptest

import (
	"iter"
	"strings"
)

func splitWords(text string) iter.Seq[string] { return strings.FieldsSeq(text) }

// zombie reads the state letter after the name in /proc/PID/stat.
func zombie(stat string) bool {
	_, rest, ok := strings.Cut(stat, ") ")
	return ok && (strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X"))
}
