package output

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"golang.org/x/term"

	"github.com/coxswain-hpc/coxswain/api"
)

// Format is how a command prints.
type Format string

// The formats.
const (
	FormatTable Format = "table"
	FormatWide  Format = "wide" // a table with every column
	FormatJSON  Format = "json"
	FormatYAML  Format = "yaml"
)

// ParseFormat reads the value of --format.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case FormatTable, FormatWide, FormatJSON, FormatYAML:
		return f, nil
	}
	return "", api.Errorf(api.CodeInvalid, "%q is no format; use table, wide, json or yaml", s)
}

// Printer writes values in one format.
type Printer struct {
	Out    io.Writer
	Format Format
	// Width is the terminal's, 0 when Out is none. Colour says whether to use colours.
	Width  int
	Colour bool
}

// New returns a printer for out, which knows whether it is a terminal.
func New(out io.Writer, format Format, getenv func(string) string) Printer {
	p := Printer{Out: out, Format: format}
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.Colour = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		p.Width = width
	}
	return p
}

// Print writes v as JSON or YAML, or the table that is made of it.
func (p Printer) Print(v any, table func() Table) error {
	switch p.Format {
	case FormatJSON:
		return p.json(v)
	case FormatYAML:
		return p.yaml(v)
	case FormatTable, FormatWide:
	}
	return p.Table(table())
}

func (p Printer) json(v any) error {
	enc := json.NewEncoder(p.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print as JSON: %w", err)
	}
	return nil
}

// yaml goes by way of JSON, so that both show the same names and values.
func (p Printer) yaml(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		text, err = yaml.JSONToYAML(text)
	}
	if err == nil {
		_, err = p.Out.Write(text)
	}
	if err != nil {
		return fmt.Errorf("print as YAML: %w", err)
	}
	return nil
}
