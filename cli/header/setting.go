package header

import (
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
)

// Level is where a setting comes from; a higher level beats a lower one.
type Level int

// The levels, in rising order.
const (
	LevelSBATCH  Level = iota // an #SBATCH line
	LevelCOX                  // a #COX line: one script can serve both systems
	LevelEnviron              // an SBATCH_* variable
	LevelArgs                 // the command line
)

// Source is the place of a setting, for errors and notes.
type Source struct {
	Level Level
	// Line counts from 1; Variable is the environment variable's name.
	Line     int
	Variable string
}

// String gives "line 5", "SBATCH_GRES" or "command line".
func (s Source) String() string {
	switch s.Level {
	case LevelSBATCH, LevelCOX:
		return fmt.Sprintf("line %d", s.Line)
	case LevelEnviron:
		return s.Variable
	case LevelArgs:
	}
	return "command line"
}

// Setting is one use of an option.
type Setting struct {
	Option *Option
	Value  string
	// HasValue tells --nice= from --nice.
	HasValue bool
	Source   Source
}

// problem is one thing that is wrong; all of them are reported together.
type problem struct {
	source Source
	code   api.Code
	text   string
}

func invalid(source Source, format string, args ...any) problem {
	return problem{source, api.CodeInvalid, fmt.Sprintf(format, args...)}
}

// problemsMax bounds what one error repeats.
const problemsMax = 20

// asError joins the problems into one error; nil where there are none. The code is "unsupported"
// only where nothing worse is wrong.
func asError(problems []problem) error {
	if len(problems) == 0 {
		return nil
	}
	e := &api.Error{Code: api.CodeUnsupported, Message: "these options can't be used"}
	if len(problems) == 1 {
		e.Message = "this option can't be used"
	}
	for i, p := range problems {
		if p.code != api.CodeUnsupported {
			e.Code = p.code
		}
		if i < problemsMax {
			e.Fields = append(e.Fields, api.FieldError{Field: p.source.String(), Message: p.text})
		}
	}
	if more := len(problems) - problemsMax; more > 0 {
		e.Message += fmt.Sprintf(" (and %d more)", more)
	}
	return e
}

// clipMax bounds what an error repeats of somebody's input.
const clipMax = 60

func clip(s string) string {
	if len(s) <= clipMax {
		return s
	}
	return s[:clipMax] + "…"
}
