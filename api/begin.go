package api

import (
	"strconv"
	"strings"
	"time"
)

// ParseBegin reads a start time as sbatch's --begin does: now, now+1hour, now+60 (seconds),
// 16:00[:30], 4pm, midnight, noon, teatime, today, tomorrow, 2030-01-20[T12:34[:56]], 012030,
// 01/20/30, 01.20.30, and a date with a time of day (tomorrow 16:00). A time of day that is over is
// tomorrow's; a date without a year that is over is next year's. The zone is that of now; the
// result is in UTC.
func ParseBegin(s string, now time.Time) (time.Time, error) {
	b := beginParser{now: now}
	for word := range strings.FieldsSeq(splitDateTime(s)) {
		if !b.word(strings.ToLower(word)) {
			return time.Time{}, badBegin(s)
		}
	}
	at, ok := b.result()
	if !ok {
		return time.Time{}, badBegin(s)
	}
	return at.UTC(), nil
}

func badBegin(s string) error {
	return Errorf(CodeInvalid, "begin time %q: write now+1hour, 16:00, midnight, noon, tomorrow, "+
		"2030-01-20 or 2030-01-20T12:34:00", clip(s))
}

// splitDateTime turns the T between a date and a time of day into a space.
func splitDateTime(s string) string {
	i := strings.IndexAny(s, "tT")
	if i > 0 && i+1 < len(s) && isDigit(s[i-1]) && isDigit(s[i+1]) {
		return s[:i] + " " + s[i+1:]
	}
	return s
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// beginParser collects the words of a begin time, each kind at most once.
type beginParser struct {
	now   time.Time
	exact *time.Time
	// date is midnight of the day; yearless dates roll over to the next year.
	date     *time.Time
	yearless bool
	// clock is the time of the day in seconds.
	clock *int64
}

func (b *beginParser) word(w string) bool {
	if at, ok := parseNow(w, b.now); ok {
		return setOnce(&b.exact, at)
	}
	if seconds, ok := parseClock(w); ok {
		return setOnce(&b.clock, seconds)
	}
	day, yearless, ok := parseDay(w, b.now)
	b.yearless = yearless
	return ok && setOnce(&b.date, day)
}

func setOnce[T any](field **T, v T) bool {
	if *field != nil {
		return false
	}
	*field = &v
	return true
}

func (b *beginParser) result() (time.Time, bool) {
	switch {
	case b.exact != nil:
		return *b.exact, b.date == nil && b.clock == nil
	case b.date == nil && b.clock == nil:
		return time.Time{}, false
	case b.date == nil:
		at := atClock(b.now, *b.clock)
		if at.Before(b.now) {
			at = atClock(b.now.AddDate(0, 0, 1), *b.clock)
		}
		return at, true
	}
	at := *b.date
	if b.clock != nil {
		at = atClock(at, *b.clock)
	}
	if b.yearless && at.Before(b.now) {
		at = at.AddDate(1, 0, 0)
	}
	return at, true
}

// atClock gives a time of that day. Fields, not added seconds, keep it right on a clock change.
func atClock(day time.Time, seconds int64) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, int(seconds/secondsPerHour), int(seconds%secondsPerHour/secondsPerMinute),
		int(seconds%secondsPerMinute), 0, day.Location())
}

// parseNow reads now, now+60, now+1hour, now+2days.
func parseNow(w string, now time.Time) (time.Time, bool) {
	rest, ok := strings.CutPrefix(w, "now")
	if !ok || rest == "" {
		return now, ok
	}
	sign := int64(1)
	if rest[0] == '-' {
		sign = -1
	} else if rest[0] != '+' {
		return now, false
	}
	digits := strings.TrimRight(rest[1:], "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.ParseUint(digits, 10, 63)
	unit, known := beginUnit(rest[1+len(digits):])
	if err != nil || !known || int64(n) > UnlimitedSeconds/unit {
		return now, false
	}
	return now.Add(time.Duration(sign*int64(n)*unit) * time.Second), true
}

// beginUnit reads the unit of now+N, whole or shortened; none is seconds.
func beginUnit(w string) (int64, bool) {
	units := []struct {
		name    string
		seconds int64
	}{
		{"seconds", 1},
		{"minutes", secondsPerMinute},
		{"hours", secondsPerHour},
		{"days", secondsPerDay},
		{"weeks", 7 * secondsPerDay},
	}
	for _, u := range units {
		if strings.HasPrefix(u.name, w) {
			return u.seconds, true
		}
	}
	return 0, false
}

var clockNames = map[string]int64{
	"midnight": 0, "noon": 12 * secondsPerHour, "elevenses": 11 * secondsPerHour,
	"fika": 15 * secondsPerHour, "teatime": 16 * secondsPerHour,
}

// parseClock reads 16:00, 16:00:30, 4pm, 4:30am and the named times of the day.
func parseClock(w string) (int64, bool) {
	if seconds, ok := clockNames[w]; ok {
		return seconds, true
	}
	for _, layout := range []string{"15:04", "15:04:05", "3:04pm", "3:04:05pm", "3pm"} {
		if t, err := time.Parse(layout, w); err == nil {
			return int64(t.Sub(t.Truncate(24*time.Hour)) / time.Second), true
		}
	}
	return 0, false
}

// parseDay reads a date, and says whether it had no year.
func parseDay(w string, now time.Time) (day time.Time, yearless, ok bool) {
	switch w {
	case "today":
		return atClock(now, 0), false, true
	case "tomorrow":
		return atClock(now.AddDate(0, 0, 1), 0), false, true
	}
	for _, layout := range []string{"2006-1-2", "010206", "1/2/06", "1.2.06", "1/2/2006", "1.2.2006"} {
		if t, err := time.ParseInLocation(layout, w, now.Location()); err == nil {
			return t, false, true
		}
	}
	for _, layout := range []string{"0102", "1/2", "1.2"} {
		if t, err := time.ParseInLocation(layout, w, now.Location()); err == nil {
			return t.AddDate(now.Year()-t.Year(), 0, 0), true, true
		}
	}
	return time.Time{}, false, false
}
