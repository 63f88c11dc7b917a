package output

import (
	"fmt"
	"strconv"
	"time"
)

// None stands in tables for what is not there.
const None = "-"

// Duration writes 0:42, 1:02:03 or 2-01:02:03, as Slurm's users read it.
func Duration(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	days, hours, minutes, seconds := s/86400, s/3600%24, s/60%60, s%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d-%02d:%02d:%02d", days, hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, seconds)
	}
	return fmt.Sprintf("%d:%02d", minutes, seconds)
}

// Seconds writes a short time with the precision that matters: 0.05s, 12.3s, then as Duration.
func Seconds(s float64) string {
	switch {
	case s < 10:
		return strconv.FormatFloat(s, 'f', 2, 64) + "s"
	case s < 60:
		return strconv.FormatFloat(s, 'f', 1, 64) + "s"
	}
	return Duration(time.Duration(s * float64(time.Second)))
}

// Ago writes how long before now a moment was: "now", "12s ago", "3h ago"; "in 5m" if it comes.
func Ago(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return None
	}
	d := now.Sub(*t)
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return "in " + short(-d)
	}
	return short(d) + " ago"
}

func short(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int64(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int64(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int64(d.Hours()))
	}
	return fmt.Sprintf("%dd", int64(d.Hours()/24))
}

// OrNone replaces an empty cell.
func OrNone(s string) string {
	if s == "" {
		return None
	}
	return s
}
