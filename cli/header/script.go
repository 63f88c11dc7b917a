package header

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// ScriptBytesMax bounds a batch script, as Slurm's default does.
const ScriptBytesMax = 4 << 20

// checkScript says what makes a text no batch script.
func checkScript(script []byte) error {
	switch {
	case len(script) > ScriptBytesMax:
		return api.Errorf(api.CodeLimit, "the script has %s, more than %s; keep data in files beside it",
			api.FormatBytes(int64(len(script))), api.FormatBytes(ScriptBytesMax))
	case len(bytes.TrimSpace(script)) == 0:
		return api.Errorf(api.CodeInvalid, "the script is empty; begin it with #!/bin/bash")
	case !bytes.HasPrefix(script, []byte("#!")):
		return api.Errorf(api.CodeInvalid, "this is no batch script: its first line must begin with #! "+
			"and the path of an interpreter, such as #!/bin/bash")
	case bytes.IndexByte(script, 0) >= 0:
		return api.Errorf(api.CodeInvalid, "the script has a NUL character; submit a text file")
	case bytes.Contains(script, []byte("\r\n")):
		return api.Errorf(api.CodeInvalid,
			`the script has DOS line ends (\r\n); convert it, for example with dos2unix`)
	}
	return nil
}

// scriptHeader is what the header lines of a script say.
type scriptHeader struct {
	settings []Setting
	problems []problem
	notes    []string
	// foreign holds the first line of each other system whose lines the header has (#PBS, #BSUB).
	foreign []foreignLine
}

type foreignLine struct {
	word string
	line int
}

// readScript reads the header: the #SBATCH and #COX lines before the first command.
func readScript(script []byte) scriptHeader {
	h := scriptHeader{}
	inHeader := true
	number := 0
	for raw := range bytes.Lines(script) {
		number++
		line := strings.TrimSuffix(string(raw), "\n")
		inHeader = inHeader && !isCommand(line)
		h.take(line, number, inHeader)
	}
	return h
}

// isCommand says whether a line is neither blank nor a comment.
func isCommand(line string) bool {
	text := strings.TrimSpace(line)
	return text != "" && text[0] != '#'
}

func (h *scriptHeader) take(line string, number int, inHeader bool) {
	word, rest, found := magic(line)
	switch {
	case !found && inHeader:
		h.lookalike(line, number)
	case !found:
	case !inHeader && word != "#PBS" && word != "#BSUB":
		h.notes = append(h.notes, fmt.Sprintf(
			"line %d: this %s line stands after the first command, so it has no effect", number, word))
	case word == "#PBS" || word == "#BSUB":
		if inHeader {
			h.foreign = append(h.foreign, foreignLine{word, number})
		}
	default:
		h.options(word, rest, number)
	}
}

// magic finds the word that makes a comment a header line.
func magic(line string) (word, rest string, found bool) {
	for _, word := range []string{"#SBATCH", "#COX", "#PBS", "#BSUB"} {
		rest, ok := strings.CutPrefix(line, word)
		if ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '-') {
			return word, rest, true
		}
	}
	return "", "", false
}

// lookalike notes comments that look like header lines and are none (sbatch is silent about them).
// ##SBATCH is how people switch a line off on purpose.
func (h *scriptHeader) lookalike(line string, number int) {
	text := strings.TrimSpace(line)
	if strings.HasPrefix(text, "##") || !strings.HasPrefix(text, "#") {
		return
	}
	bare := strings.ToUpper(strings.TrimSpace(text[1:]))
	for _, word := range []string{"SBATCH", "COX"} {
		rest, ok := strings.CutPrefix(bare, word)
		if ok && strings.HasPrefix(strings.TrimSpace(rest), "-") {
			h.notes = append(h.notes, fmt.Sprintf(
				"line %d: this is a comment; a header line begins with #%s in the first column", number,
				word))
		}
	}
}

// options reads the words of one header line.
func (h *scriptHeader) options(word, rest string, number int) {
	source := Source{Level: LevelSBATCH, Line: number}
	if word == "#COX" {
		source.Level = LevelCOX
	}
	words, err := splitWords(rest)
	if err != nil {
		h.problems = append(h.problems, invalid(source, "%s", err))
		return
	}
	r := reader{source: source, words: words}
	for len(r.words) > 0 {
		if err := notAnOption(r.words[0]); err != nil {
			r.wrong("%s", err)
			break
		}
		r.option()
	}
	h.settings = append(h.settings, r.line.Settings...)
	h.problems = append(h.problems, r.problems...)
	h.forbid(r.line.Settings)
}

func notAnOption(word string) error {
	switch {
	case word == "hetjob" || word == "packjob" || word == ":":
		return errors.New("jobs of several different parts (hetjob) are not done yet; submit them one by one")
	case !isOption(word) || word == "--":
		return fmt.Errorf("%q is no option; a value belongs behind its option, with quotes where it has "+
			"blanks",
			clip(word))
	}
	return nil
}

// forbid refuses what may not stand in a header, or not on an #SBATCH line.
func (h *scriptHeader) forbid(settings []Setting) {
	for _, s := range settings {
		switch {
		case s.Option.ArgsOnly:
			h.problems = append(h.problems, invalid(s.Source, "%s works on the command line only",
				s.Option.Flag()))
		case s.Option.Cox && s.Source.Level == LevelSBATCH:
			h.problems = append(h.problems, invalid(s.Source,
				"%s is Coxswain's own option and belongs on a #COX line; sbatch does not know it",
				s.Option.Flag()))
		}
	}
}
