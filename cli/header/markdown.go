package header

import (
	"fmt"
	"strings"
)

// fromSlurmIntro has @ in place of backquotes, so that it can be one raw string.
const fromSlurmIntro = `# Coming from Slurm

<!-- Generated from the table in cli/header by its test with -rewrite. Do not edit. -->

@cox submit@ reads the options of sbatch from @#SBATCH@ lines, @SBATCH_*@ variables and the command
line, with Slurm's meaning; @#COX@ lines hold the same options and Coxswain's own. The command line
beats variables, which beat @#COX@ lines, which beat @#SBATCH@ lines. Nothing is passed over in silence:
what Coxswain does not do yet is refused by name and line, and an unknown option with the nearest known
one. @--ignore-unsupported=NAME,…@ drops options that are marked so below, each by its name. Options that
ask for resources, dependencies or an identity can't be dropped: without them it would be another job.

Differences to know:

- Seconds of @--time@ count; Slurm rounds up to a minute.
- All tasks of a job run on one node: @--ntasks=n@ is n × @--cpus-per-task@ CPUs there.
- A dependency that can never be met cancels the job, unless @--kill-on-invalid-dep=no@.
- @--exclusive@ keeps other jobs off the node, and the job gets the CPUs that it asks for.
- A job that submits another one does not hand down its own @SLURM_*@ and @COX_JOB_*@ variables; name one
  in @--export@ to pass it on.
- Entries of @--export@ are taken from left to right, later ones win; a name also stands for an exported
  bash function.
- @#PBS@ and @#BSUB@ lines are refused, unless @--ignore-pbs@ passes over them.
- A @#@ inside a word of a header line is an error, since sbatch would cut the word there.

`

// FromSlurm is the page docs/from-slurm.md.
func FromSlurm() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(fromSlurmIntro, "@", "`"))
	section(&b, "## Honoured", []string{"Option", "Variable", "Meaning"}, func(o *Option) []string {
		if !o.Honoured() || o.Cox {
			return nil
		}
		return []string{o.written(), o.variables(), o.meaning()}
	})
	section(&b, "## Coxswain's own (`#COX` lines and command line)", []string{"Option", "Meaning"},
		func(o *Option) []string {
			if !o.Cox {
				return nil
			}
			return []string{o.written(), o.meaning()}
		})
	section(&b, "## Not done yet", []string{"Option", "Variable", "Meaning", "Why not", "May be dropped"},
		func(o *Option) []string {
			if o.Honoured() {
				return nil
			}
			dropped := "yes"
			if o.Essential {
				dropped = "no"
			}
			return []string{o.written(), o.variables(), o.meaning(), o.Later, dropped}
		})
	return strings.TrimSuffix(b.String(), "\n")
}

// section writes a table with a row for each option for which cells gives some.
func section(b *strings.Builder, title string, head []string, cells func(*Option) []string) {
	fmt.Fprintf(b, "%s\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, o := range Table() {
		row := cells(o)
		if row == nil {
			continue
		}
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", `\|`)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
	b.WriteString("\n")
}

// written is the option as people write it: `-t`, `--time=<time>`.
func (o *Option) written() string {
	s := o.Flag()
	switch o.Arg {
	case ArgRequired:
		s += "=" + o.Value
	case ArgOptional:
		s += "[=" + o.Value + "]"
	case ArgNone:
	}
	s = "`" + s + "`"
	if o.Short != 0 {
		s = fmt.Sprintf("`-%c`, ", o.Short) + s
	}
	return s
}

func (o *Option) variables() string {
	if len(o.Env) == 0 {
		return ""
	}
	return "`" + strings.Join(o.Env, "`, `") + "`"
}

func (o *Option) meaning() string {
	s := o.Meaning
	if len(o.Aliases) > 0 {
		s += "; also --" + strings.Join(o.Aliases, ", --")
	}
	if o.Since != "" {
		s += "; since Slurm " + o.Since
	}
	if o.ArgsOnly {
		s += "; on the command line only"
	}
	return s
}
