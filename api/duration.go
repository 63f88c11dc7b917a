package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// UnlimitedSeconds stands for no time limit: a hundred years, so that it can be added to any time of
// the day without overflow, in seconds and in nanoseconds.
const UnlimitedSeconds int64 = 100 * 365 * secondsPerDay

const (
	secondsPerMinute int64 = 60
	secondsPerHour   int64 = 3600
	secondsPerDay    int64 = 86400
)

// ParseSlurmTime reads a time limit as Slurm writes it, in seconds: 30 and 30:00 are half an hour;
// then 1:30:00, 1-12, 1-12:30 and 1-12:30:00; UNLIMITED and INFINITE give UnlimitedSeconds. What 0
// means is for the caller. Unlike Slurm, seconds are kept, not rounded up to a minute.
func ParseSlurmTime(s string) (seconds int64, err error) {
	if strings.EqualFold(s, "UNLIMITED") || strings.EqualFold(s, "INFINITE") || s == "-1" {
		return UnlimitedSeconds, nil
	}
	days, clock, withDays := strings.Cut(s, "-")
	if !withDays {
		days, clock = "0", s
	}
	fields := strings.Split(clock, ":")
	units, ok := slurmTimeUnits(withDays, len(fields))
	if !ok {
		return 0, badTime(s)
	}
	total, err := addTime(0, days, secondsPerDay)
	for i := 0; err == nil && i < len(fields); i++ {
		total, err = addTime(total, fields[i], units[i])
	}
	if err != nil {
		return 0, badTime(s)
	}
	return total, nil
}

// slurmTimeUnits gives the units of the fields between the colons.
func slurmTimeUnits(withDays bool, fields int) ([]int64, bool) {
	hms := []int64{secondsPerHour, secondsPerMinute, 1}
	switch {
	case fields > 3:
		return nil, false
	case withDays:
		return hms[:fields], true
	case fields == 3:
		return hms, true
	}
	return hms[1 : 1+fields], true
}

// addTime adds a field to a sum of seconds that never passes UnlimitedSeconds.
func addTime(sum int64, text string, unit int64) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("number %q: %w", text, err)
	}
	if int64(n) > (UnlimitedSeconds-sum)/unit {
		return UnlimitedSeconds, nil
	}
	return sum + int64(n)*unit, nil
}

func badTime(s string) error {
	return Errorf(CodeInvalid, "time %q: write minutes (90), minutes:seconds (90:00), hours:minutes:seconds "+
		"(1:30:00), days-hours (1-12), days-hours:minutes (1-12:30) or days-hours:minutes:seconds", clip(s))
}

// FormatSlurmTime writes seconds as [D-]HH:MM:SS, and UNLIMITED from UnlimitedSeconds on.
func FormatSlurmTime(seconds int64) string {
	switch {
	case seconds >= UnlimitedSeconds:
		return "UNLIMITED"
	case seconds < 0:
		return "-" + FormatSlurmTime(-max(seconds, -UnlimitedSeconds))
	}
	days, rest := seconds/secondsPerDay, seconds%secondsPerDay
	clock := fmt.Sprintf("%02d:%02d:%02d", rest/secondsPerHour, rest%secondsPerHour/secondsPerMinute,
		rest%secondsPerMinute)
	if days == 0 {
		return clock
	}
	return fmt.Sprintf("%d-%s", days, clock)
}

// FormatSpan writes a span of time for a sentence, in its two largest units: 45 s, 4 min, 1 h 30 min,
// 2 d 4 h. Less than a second is "a moment".
func FormatSpan(d time.Duration) string {
	seconds := int64(d / time.Second)
	units := []struct {
		name    string
		seconds int64
	}{{"d", secondsPerDay}, {"h", secondsPerHour}, {"min", secondsPerMinute}, {"s", 1}}
	for i, u := range units {
		n := seconds / u.seconds
		if n == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", n, u.name)
		if i+1 < len(units) {
			next := units[i+1]
			if rest := seconds % u.seconds / next.seconds; rest > 0 && next.seconds > 1 {
				text += fmt.Sprintf(" %d %s", rest, next.name)
			}
		}
		return text
	}
	return "a moment"
}
