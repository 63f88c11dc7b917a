package header

import (
	"strings"
)

// Line is a command line, taken apart.
type Line struct {
	Settings []Setting
	// Foreign holds the caller's own flags, by name; those without a value hold "".
	Foreign map[string]string
	// Rest is the script with its arguments, or the command where DashDash is set.
	Rest     []string
	DashDash bool
}

// ArgsMax bounds the words of a command line.
const ArgsMax = 100_000

// ReadArgs takes a command line apart as GNU programs do: --opt=value, --opt value, -oVALUE,
// -o VALUE, bundled letters (-HQ); long names may be shortened while they are unique. It stops at
// the first word that is no option, or behind --. Foreign names flags that belong to the caller.
func ReadArgs(args []string, foreign map[string]Arg) (Line, error) {
	r := reader{source: Source{Level: LevelArgs}, foreign: foreign, words: args}
	r.line.Foreign = map[string]string{}
	if len(args) > ArgsMax {
		return Line{}, asError([]problem{invalid(r.source, "more than %d arguments", ArgsMax)})
	}
	for len(r.words) > 0 && !r.atRest() {
		r.option()
	}
	r.line.Rest = r.words
	return r.line, asError(r.problems)
}

// reader consumes words that are options.
type reader struct {
	source   Source
	foreign  map[string]Arg
	words    []string
	line     Line
	problems []problem
}

// atRest says whether the options are over, and takes the -- away.
func (r *reader) atRest() bool {
	if r.words[0] == "--" {
		r.words = r.words[1:]
		r.line.DashDash = true
		return true
	}
	return !isOption(r.words[0])
}

func isOption(word string) bool { return len(word) > 1 && word[0] == '-' }

// option consumes one option word and, where it needs one, the next word as its value.
func (r *reader) option() {
	word := r.words[0]
	r.words = r.words[1:]
	if long, ok := strings.CutPrefix(word, "--"); ok {
		r.long(long)
		return
	}
	r.letters(word[1:])
}

func (r *reader) long(text string) {
	name, value, hasValue := strings.Cut(text, "=")
	if kind, ok := r.foreign[name]; ok {
		r.takeForeign(name, kind, value, hasValue)
		return
	}
	o, candidates := byName(name)
	switch {
	case len(candidates) > 1:
		r.wrong("--%s is ambiguous: %s", clip(name), strings.Join(candidates[:min(len(candidates), 8)], ", "))
		r.skipValue(hasValue)
	case o == nil:
		r.wrong("--%s is unknown; the nearest known option is --%s", clip(name), nearest(name))
		r.skipValue(hasValue)
	case o.Arg == ArgNone && hasValue:
		r.wrong("%s takes no value", o.Flag())
	case o.Arg == ArgRequired && !hasValue:
		r.takeNext(o, o.Flag())
	default:
		r.add(o, value, hasValue)
	}
}

// skipValue passes over a word that may be the value of an option that is not known, so that the
// words behind it are still looked at.
func (r *reader) skipValue(hasValue bool) {
	if !hasValue && len(r.words) > 0 && !isOption(r.words[0]) {
		r.words = r.words[1:]
	}
}

func (r *reader) takeForeign(name string, kind Arg, value string, hasValue bool) {
	if kind == ArgRequired && !hasValue {
		if len(r.words) == 0 {
			r.wrong("--%s needs a value", name)
			return
		}
		value, r.words = r.words[0], r.words[1:]
	}
	r.line.Foreign[name] = value
}

// letters reads -H, -HQ, -c4 and -c 4.
func (r *reader) letters(text string) {
	for text != "" {
		o := byShort(text[0])
		rest := text[1:]
		switch {
		case o == nil:
			r.wrong("-%s is unknown; `cox submit --help` lists the options", clip(text[:1]))
			r.skipValue(rest != "")
			return
		case o.Arg == ArgNone:
			r.add(o, "", false)
			text = rest
			continue
		case o.Arg == ArgOptional || rest != "":
			value, _ := strings.CutPrefix(rest, "=")
			if o.Arg == ArgRequired {
				value = rest
			}
			r.add(o, value, rest != "")
		default:
			r.takeNext(o, "-"+text[:1])
		}
		return
	}
}

func (r *reader) takeNext(o *Option, written string) {
	if len(r.words) == 0 {
		r.wrong("%s needs a value: %s=%s", written, o.Flag(), o.Value)
		return
	}
	value := r.words[0]
	r.words = r.words[1:]
	r.add(o, value, true)
}

func (r *reader) add(o *Option, value string, hasValue bool) {
	s := Setting{Option: o, Value: value, HasValue: hasValue, Source: r.source}
	r.line.Settings = append(r.line.Settings, s)
}

func (r *reader) wrong(format string, args ...any) {
	r.problems = append(r.problems, invalid(r.source, format, args...))
}
