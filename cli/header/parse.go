package header

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// Input is all that Parse looks at.
type Input struct {
	// Script is the batch script; nil where the arguments give a command or --wrap instead.
	Script []byte
	// Args are the words of the command line behind `cox submit`; Environ is a list of NAME=value.
	Args    []string
	Environ []string
	// Foreign are flags of the caller (--context): they are taken out and given back.
	Foreign map[string]Arg
}

// Parse reads the command line, the variables and the script's header, and joins them: the command
// line beats SBATCH_* variables, which beat #COX lines, which beat #SBATCH lines. The second result
// is what followed the options: the script's name with its arguments, or the command. The error
// lists everything that is wrong, each with its line.
func Parse(in Input) (Options, []string, error) {
	line, err := ReadArgs(in.Args, in.Foreign)
	if err != nil {
		return Options{}, nil, err
	}
	o := Options{Foreign: line.Foreign}
	if wantsHelp(line.Settings) {
		return o, line.Rest, asError(o.apply(line.Settings))
	}
	header, err := o.source(line, in.Script)
	if err != nil {
		return Options{}, line.Rest, err
	}
	environ, notes := readEnviron(in.Environ)
	o.Notes = append(header.notes, notes...)
	problems := header.problems
	settings := slices.Concat(header.settings, environ, line.Settings)
	slices.SortStableFunc(settings, func(a, b Setting) int { return int(a.Source.Level - b.Source.Level) })
	problems = append(problems, o.apply(settings)...)
	problems = append(problems, o.checkForeignLines(header.foreign)...)
	return o, line.Rest, asError(problems)
}

// source finds out what is to run, and reads the header of a script.
func (o *Options) source(line Line, script []byte) (scriptHeader, error) {
	switch {
	case usesWrap(line.Settings):
		if len(line.Rest) > 0 {
			return scriptHeader{}, api.Errorf(api.CodeInvalid,
				"--wrap takes the whole command as one word, and no script; quote it: --wrap=\"echo a\"")
		}
		return scriptHeader{}, nil
	case line.DashDash:
		if len(line.Rest) == 0 {
			return scriptHeader{}, api.Errorf(api.CodeInvalid, "no command behind --")
		}
		o.Command = line.Rest
		return scriptHeader{}, nil
	}
	if len(line.Rest) > 0 && line.Rest[0] == ":" {
		return scriptHeader{}, api.Errorf(api.CodeUnsupported,
			"jobs of several different parts (a : between options) are not done yet; submit them one by one")
	}
	if len(line.Rest) > 0 {
		o.ScriptName, o.Args = line.Rest[0], line.Rest[1:]
	}
	o.Script = script
	if err := checkScript(script); err != nil {
		return scriptHeader{}, err
	}
	return readScript(script), nil
}

func usesWrap(settings []Setting) bool {
	return slices.ContainsFunc(settings, func(s Setting) bool { return s.Option.Name == "wrap" })
}

func wantsHelp(settings []Setting) bool {
	return slices.ContainsFunc(settings, func(s Setting) bool {
		return s.Option.Name == "help" || s.Option.Name == "usage" || s.Option.Name == "version"
	})
}

// apply puts the settings into the options, the lowest level first.
func (o *Options) apply(settings []Setting) (problems []problem) {
	problems = o.readIgnored(settings)
	for _, s := range settings {
		if s.Option.Name == "ignore-unsupported" {
			o.Settings = append(o.Settings, s)
			continue
		}
		if p, ok := o.applyOne(s); !ok {
			problems = append(problems, p)
		}
	}
	return append(problems, exclusions(settings)...)
}

// readIgnored collects --ignore-unsupported from everywhere, before anything is refused.
func (o *Options) readIgnored(settings []Setting) (problems []problem) {
	for _, s := range settings {
		if s.Option.Name != "ignore-unsupported" {
			continue
		}
		from := len(o.Ignored)
		_ = setIgnored(o, s.Value) // it accepts every text; the names are checked here
		for i, name := range o.Ignored[from:] {
			known, err := ignorable(name)
			if err != nil {
				problems = append(problems, invalid(s.Source, "--ignore-unsupported: %s", err))
				continue
			}
			o.Ignored[from+i] = known
		}
	}
	return problems
}

// ignorable gives the full name of an option that may be dropped.
func ignorable(name string) (string, error) {
	o, _ := byName(name)
	if len(name) == 1 {
		o = byShort(name[0])
	}
	switch {
	case strings.EqualFold(name, "all") || name == "*":
		return "", errors.New("there is no \"all\"; name each option to drop")
	case name == "":
		return "", errors.New("a name is empty; write names with commas between them")
	case o == nil:
		return "", fmt.Errorf("%q is unknown; the nearest known option is %s", clip(name), nearest(name))
	case o.Essential:
		return "", fmt.Errorf("--%s can't be dropped: it would be another job", o.Name)
	}
	return o.Name, nil
}

func (o *Options) applyOne(s Setting) (problem, bool) {
	if !s.Option.Honoured() {
		return o.refuseOrIgnore(s, s.Option.Flag()+" is not done yet: "+s.Option.Later)
	}
	err := s.Option.set(o, s.Value)
	var notDone laterError
	switch {
	case errors.As(err, &notDone):
		return o.refuseOrIgnore(s, s.Option.Flag()+": "+notDone.text)
	case err != nil:
		return invalid(s.Source, "%s: %s", s.Option.Flag(), err), false
	}
	o.Settings = append(o.Settings, s)
	return problem{}, true
}

// refuseOrIgnore rejects a setting by name, or notes that the user wants it dropped.
func (o *Options) refuseOrIgnore(s Setting, why string) (problem, bool) {
	if slices.Contains(o.Ignored, s.Option.Name) {
		o.Notes = append(o.Notes, fmt.Sprintf("%s: %s is ignored, as you asked", s.Source, s.Option.Flag()))
		return problem{}, true
	}
	if !s.Option.Essential {
		why += fmt.Sprintf("; --ignore-unsupported=%s drops it", s.Option.Name)
	}
	return problem{s.Source, api.CodeUnsupported, why}, false
}

// groups are options that exclude each other; between levels the higher one wins.
var groups = [][]string{
	{"mem", "mem-per-cpu", "mem-per-gpu"},
	{"cpus", "cpus-per-task", "ntasks", "ntasks-per-node"},
}

// exclusions finds options of one level that exclude each other.
func exclusions(settings []Setting) (problems []problem) {
	first := map[string]Setting{}
	for _, s := range settings {
		for g, names := range groups {
			if !slices.Contains(names, s.Option.Name) {
				continue
			}
			key := fmt.Sprint(g, s.Source.Level)
			other, seen := first[key]
			if !seen {
				first[key] = s
				continue
			}
			if excludes(other.Option.Name, s.Option.Name) {
				problems = append(problems, invalid(s.Source, "%s and %s (%s) exclude each other",
					s.Option.Flag(), other.Option.Flag(), other.Source))
			}
		}
	}
	return problems
}

// excludes says whether two different options of one group exclude each other: all of those for
// memory do, and --cpus does the counts of tasks.
func excludes(a, b string) bool {
	return a != b && (strings.HasPrefix(a, "mem") || a == "cpus" || b == "cpus")
}

// checkForeignLines refuses the header lines of other systems, which sbatch would read.
func (o *Options) checkForeignLines(lines []foreignLine) (problems []problem) {
	if o.IgnorePBS {
		return nil
	}
	for _, l := range lines {
		source := Source{Level: LevelSBATCH, Line: l.line}
		problems = append(problems, problem{
			source, api.CodeUnsupported,
			l.word + " lines are not read; write #SBATCH, or add --ignore-pbs to pass over them",
		})
	}
	return problems
}

// defaultName is the job's name where none is given.
func (o *Options) defaultName() string {
	switch {
	case o.Wrap != nil:
		return "wrap"
	case len(o.Command) > 0:
		return path.Base(o.Command[0])
	case o.ScriptName != "" && o.ScriptName != "-":
		return path.Base(o.ScriptName)
	}
	return "sbatch"
}
