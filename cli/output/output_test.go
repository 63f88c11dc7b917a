package output_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/cli/output"
)

func sample() output.Table {
	return output.Table{
		Empty: "nothing waits or runs",
		Columns: []output.Column{
			{Name: "JOB", Right: true},
			{Name: "NAME"},
			{Name: "USER", Wide: true},
			{Name: "STATE", Colour: func(string) output.Colour { return output.Green }},
			{Name: "ABOUT", Shrink: true},
		},
		Rows: [][]string{
			{"7", "melt", "ada", "running", "a rather long story\nof two lines"},
			{"1234", "größer", "bob", "running", "-"},
		},
	}
}

func render(t *testing.T, p output.Printer, table output.Table) string {
	t.Helper()
	var b bytes.Buffer
	p.Out = &b
	require.NoError(t, p.Table(table))
	return b.String()
}

func TestTableIsAligned(t *testing.T) {
	t.Parallel()
	require.Equal(t, ""+
		" JOB  NAME    STATE    ABOUT\n"+
		"   7  melt    running  a rather long story of two lines\n"+
		"1234  größer  running  -\n", render(t, output.Printer{}, sample()))
}

func TestTableOfATerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, ""+
		" JOB  NAME    STATE    ABOUT\n"+
		"   7  melt    running  a rather…\n"+
		"1234  größer  running  -\n", render(t, output.Printer{Width: 32}, sample()), "it never gets wider")
	coloured := render(t, output.Printer{Colour: true}, sample())
	require.Contains(t, coloured, "\x1b[32mrunning\x1b[0m  a rather")
	require.Contains(t, coloured, "\x1b[1mNAME\x1b[0m    ", "colours don't count as width")
}

func TestWideTableHasEveryColumn(t *testing.T) {
	t.Parallel()
	require.Contains(t, render(t, output.Printer{Format: output.FormatWide}, sample()), "USER")
}

func TestEmptyTable(t *testing.T) {
	t.Parallel()
	empty := sample()
	empty.Rows = nil
	require.Equal(t, "nothing waits or runs\n", render(t, output.Printer{}, empty))
}

func TestJSONAndYAMLShowTheSame(t *testing.T) {
	t.Parallel()
	value := []struct {
		Name  string    `json:"name"`
		Bytes int64     `json:"memory_bytes"`
		At    time.Time `json:"at"`
		None  string    `json:"none,omitempty"`
	}{{Name: "a <b>", Bytes: 1 << 40, At: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)}}
	var b bytes.Buffer
	require.NoError(t, output.Printer{Out: &b, Format: output.FormatJSON}.Print(value, nil))
	require.JSONEq(t, `[{"name":"a <b>","memory_bytes":1099511627776,"at":"2026-11-24T08:00:00Z"}]`, b.String())
	require.Contains(t, b.String(), "<b>", "nothing is escaped for browsers")
	b.Reset()
	require.NoError(t, output.Printer{Out: &b, Format: output.FormatYAML}.Print(value, nil))
	require.Contains(t, b.String(), "memory_bytes: 1099511627776\n")
	require.NotContains(t, b.String(), "none")
}

func TestFormats(t *testing.T) {
	t.Parallel()
	_, err := output.ParseFormat("xml")
	require.ErrorContains(t, err, "table, wide, json or yaml")
}

func TestTimesForPeople(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { x := now.Add(d); return &x }
	for want, got := range map[string]string{
		"0:42":       output.Duration(42 * time.Second),
		"1:02:03":    output.Duration(time.Hour + 2*time.Minute + 3*time.Second),
		"2-01:00:00": output.Duration(49 * time.Hour),
		"0:00":       output.Duration(-time.Second),
		"0.05s":      output.Seconds(0.05),
		"12.3s":      output.Seconds(12.34),
		"1:30":       output.Seconds(90),
		"now":        output.Ago(at(0), now),
		"12s ago":    output.Ago(at(-12*time.Second), now),
		"5m ago":     output.Ago(at(-5*time.Minute-3*time.Second), now),
		"3d ago":     output.Ago(at(-73*time.Hour), now),
		"in 59m":     output.Ago(at(59*time.Minute+time.Second), now),
		"-":          output.Ago(nil, now),
	} {
		require.Equal(t, want, got)
	}
}
