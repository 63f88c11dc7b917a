package output

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is rows under a header.
type Table struct {
	Columns []Column
	Rows    [][]string
	// Empty is printed instead of a header without rows; to whom it goes is the caller's choice.
	Empty string
}

// Column is one column of a table.
type Column struct {
	Name string
	// Wide columns are shown with --format wide only.
	Wide bool
	// Right aligns numbers.
	Right bool
	// Shrink lets the column be cut when the terminal is too narrow; at most one should.
	Shrink bool
	// Colour picks a colour for a cell, "" for none.
	Colour func(cell string) Colour
}

// Colour is a terminal's colour sequence.
type Colour string

// The colours.
const (
	Green  Colour = "\x1b[32m"
	Red    Colour = "\x1b[31m"
	Yellow Colour = "\x1b[33m"
	Blue   Colour = "\x1b[34m"
	Dim    Colour = "\x1b[2m"
	plain         = "\x1b[0m"
	bold          = "\x1b[1m"

	gap            = "  "
	shrinkWidthMin = 8
)

// Paint colours text if the printer uses colours.
func (p Printer) Paint(c Colour, text string) string {
	if !p.Colour || c == "" || text == "" {
		return text
	}
	return string(c) + text + plain
}

// Table writes an aligned table.
func (p Printer) Table(t Table) error {
	if len(t.Rows) == 0 && t.Empty != "" {
		return write(p.Out, t.Empty+"\n")
	}
	t = t.visible(p.Format == FormatWide)
	widths := t.widths()
	p.shrink(t, widths)
	var b strings.Builder
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = c.Name
	}
	p.row(&b, t, widths, header, true)
	for _, row := range t.Rows {
		p.row(&b, t, widths, row, false)
	}
	return write(p.Out, b.String())
}

func write(out io.Writer, text string) error {
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// visible drops the columns that are for wide tables.
func (t Table) visible(wide bool) Table {
	if wide {
		return t
	}
	out := Table{Rows: make([][]string, len(t.Rows))}
	for i, c := range t.Columns {
		if c.Wide {
			continue
		}
		out.Columns = append(out.Columns, c)
		for r, row := range t.Rows {
			out.Rows[r] = append(out.Rows[r], row[i])
		}
	}
	return out
}

func (t Table) widths() []int {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = utf8.RuneCountInString(c.Name)
		for _, row := range t.Rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	return widths
}

// shrink takes what the terminal lacks from the column that may shrink.
func (p Printer) shrink(t Table, widths []int) {
	if p.Width == 0 {
		return
	}
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for i, c := range t.Columns {
		if c.Shrink && total > p.Width {
			widths[i] = max(shrinkWidthMin, widths[i]-(total-p.Width))
			return
		}
	}
}

func (p Printer) row(b *strings.Builder, t Table, widths []int, cells []string, header bool) {
	var line strings.Builder
	for i, c := range t.Columns {
		if i > 0 {
			line.WriteString(gap)
		}
		text := cut(cells[i], widths[i])
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		switch {
		case header:
			text = p.Paint(bold, text)
		case c.Colour != nil:
			text = p.Paint(c.Colour(cells[i]), text)
		}
		if c.Right {
			line.WriteString(pad + text)
		} else {
			line.WriteString(text + pad)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " "))
	b.WriteByte('\n')
}

// cut shortens text to width characters; line ends would break the table.
func cut(text string, width int) string {
	text = strings.ReplaceAll(text, "\n", " ")
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}
