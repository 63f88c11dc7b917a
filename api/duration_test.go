package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestParseSlurmTime(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"30": 1800, "0": 0, "10:00": 600, "0:30": 30, "90:00": 5400, "1:00:00": 3600, "100:00:00": 360000,
		"1-12": 129600, "1-12:30": 131400, "1-12:00:00": 129600, "0-00:00:01": 1,
		"UNLIMITED": api.UnlimitedSeconds,
		"infinite":  api.UnlimitedSeconds, "-1": api.UnlimitedSeconds, "99999999999": api.UnlimitedSeconds,
		"9223372036854775807-9223372036854775807": api.UnlimitedSeconds,
	} {
		got, err := api.ParseSlurmTime(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", ":", "1:", "1:2:3:4", "1-", "-5", "1-2-3", "1h", "x", "1-1:2:3:4", " 1", "+1"} {
		_, err := api.ParseSlurmTime(s)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), s)
	}
}

func TestFormatSlurmTime(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "00:00:00", 61: "00:01:01", 86399: "23:59:59", 86400: "1-00:00:00", 129600: "1-12:00:00",
		api.UnlimitedSeconds: "UNLIMITED", -1: "-00:00:01",
	} {
		require.Equal(t, want, api.FormatSlurmTime(n))
	}
}

func TestParseBegin(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("test", 3*3600)
	now := time.Date(2026, 11, 24, 14, 30, 15, 0, zone) // a Tuesday
	for s, want := range map[string]string{
		"now":                 "2026-11-24T14:30:15",
		"now+1hour":           "2026-11-24T15:30:15",
		"now+30minutes":       "2026-11-24T15:00:15",
		"now+60":              "2026-11-24T14:31:15",
		"now+2days":           "2026-11-26T14:30:15",
		"now+1w":              "2026-12-01T14:30:15",
		"now-5min":            "2026-11-24T14:25:15",
		"16:00":               "2026-11-24T16:00:00",
		"10:00":               "2026-11-25T10:00:00",
		"16:00:30":            "2026-11-24T16:00:30",
		"4pm":                 "2026-11-24T16:00:00",
		"4:30PM":              "2026-11-24T16:30:00",
		"midnight":            "2026-11-25T00:00:00",
		"noon":                "2026-11-25T12:00:00",
		"teatime":             "2026-11-24T16:00:00",
		"today":               "2026-11-24T00:00:00",
		"tomorrow":            "2026-11-25T00:00:00",
		"tomorrow noon":       "2026-11-25T12:00:00",
		"16:00 tomorrow":      "2026-11-25T16:00:00",
		"2030-01-20":          "2030-01-20T00:00:00",
		"2030-01-20T12:34:00": "2030-01-20T12:34:00",
		"2030-01-20T12:34":    "2030-01-20T12:34:00",
		"012030":              "2030-01-20T00:00:00",
		"01/20/30":            "2030-01-20T00:00:00",
		"1.20.30":             "2030-01-20T00:00:00",
		"1225":                "2026-12-25T00:00:00",
		"0120":                "2027-01-20T00:00:00",
	} {
		got, err := api.ParseBegin(s, now)
		require.NoError(t, err, s)
		require.Equal(t, want, got.In(zone).Format("2006-01-02T15:04:05"), s)
		require.Equal(t, time.UTC, got.Location())
	}
	for _, s := range []string{
		"", "now+", "now+1year", "nowish", "now 16:00", "noon noon", "25:00",
		"2030-13-01", "2030-02-30", "tomorrow today", "soon", "now+99999999999999999999",
		"now+9223372036854775807weeks",
	} {
		_, err := api.ParseBegin(s, now)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), s)
	}
}

func FuzzTimes(f *testing.F) {
	for _, s := range []string{"30", "1-12:00:00", "now+1hour", "2030-01-20T12:34", "tomorrow noon", "4pm", "T1"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 24, 14, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := api.ParseSlurmTime(s); err == nil {
			back, err := api.ParseSlurmTime(api.FormatSlurmTime(n))
			require.NoError(t, err)
			require.Equal(t, n, back)
		}
		_, _ = api.ParseBegin(s, now)
	})
}

func TestFormatSpan(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"a moment": 300 * time.Millisecond, "1 s": time.Second, "59 s": 59 * time.Second,
		"4 min": 4*time.Minute + 40*time.Second,
		"1 h":   time.Hour, "1 h 30 min": 90 * time.Minute, "2 d 4 h": 52*time.Hour + 59*time.Minute,
		"3 d": 72*time.Hour + time.Minute,
	} {
		require.Equal(t, want, api.FormatSpan(d))
	}
}
