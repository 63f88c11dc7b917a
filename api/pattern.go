package api

import (
	"fmt"
	"strconv"
	"strings"
)

// patternWidthMax bounds the zero padding in %4a, as sbatch does.
const patternWidthMax = 10

// patternNoIndex is what sbatch writes for %a where a job is no array (its "no value").
const patternNoIndex = "4294967294"

// PatternVars is what the replacement symbols of a file name pattern stand for.
type PatternVars struct {
	// JobID is the instance's own number (%j, SLURM_JOB_ID), ArrayJobID the array's (%A).
	JobID      JobID
	ArrayJobID JobID
	// Index is the array index (%a), NoIndex for a job that is no array.
	Index int64
	// Node is the host name; NodeRank its number within the job (%n).
	Node     string
	NodeRank int32
	// Step is the step's number (%s), empty for the batch script. Task is the rank in it (%t).
	Step    string
	Task    int32
	User    string
	JobName string
}

// ExpandPattern fills a file name pattern with sbatch's replacement symbols: %% (a percent sign),
// %A, %a, %b (index modulo 10), %J (job.step), %j, %N (short host name), %n, %s, %t, %u and %x. A
// number between the percent sign and a numeric symbol pads with zeros (%4a). A backslash anywhere
// in the pattern turns all symbols off and is removed itself. Unknown symbols stay as they are.
func ExpandPattern(pattern string, v PatternVars) string {
	if strings.Contains(pattern, `\`) {
		return strings.ReplaceAll(pattern, `\`, "")
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		text, used := v.symbol(rest)
		b.WriteString(text)
		pattern = rest[used:]
	}
}

// symbol expands what follows a percent sign, and says how much of it was used.
func (v PatternVars) symbol(rest string) (text string, used int) {
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	if digits == len(rest) {
		return "%" + rest, len(rest)
	}
	if rest[0] == '%' {
		return "%", 1
	}
	letter := rest[digits]
	text, numeric, known := v.value(letter)
	if !known {
		return "%" + rest[:digits+1], digits + 1
	}
	if numeric {
		text = pad(text, rest[:digits])
	}
	return text, digits + 1
}

// pad fills a number up with zeros.
func pad(text, widthText string) string {
	if widthText == "" {
		return text
	}
	width, err := strconv.Atoi(widthText)
	if err != nil || width > patternWidthMax {
		width = patternWidthMax
	}
	return strings.Repeat("0", max(0, width-len(text))) + text
}

func (v PatternVars) value(letter byte) (text string, numeric, known bool) {
	switch letter {
	case 'A':
		return v.arrayJob().String(), true, true
	case 'a':
		return v.index(), true, true
	case 'b':
		return v.indexModulo(), true, true
	case 'j':
		return v.JobID.String(), true, true
	case 'n':
		return strconv.Itoa(int(v.NodeRank)), true, true
	case 't':
		return strconv.Itoa(int(v.Task)), true, true
	default:
		text, known = v.name(letter)
		return text, letter == 's', known
	}
}

func (v PatternVars) name(letter byte) (text string, known bool) {
	switch letter {
	case 'J':
		return v.jobStep(), true
	case 's':
		if v.Step == "" {
			return "batch", true
		}
		return v.Step, true
	case 'N':
		short, _, _ := strings.Cut(v.Node, ".")
		return short, true
	case 'u':
		return v.User, true
	case 'x':
		return v.JobName, true
	}
	return "", false
}

func (v PatternVars) arrayJob() JobID {
	if v.ArrayJobID == 0 {
		return v.JobID
	}
	return v.ArrayJobID
}

func (v PatternVars) index() string {
	if v.Index == NoIndex {
		return patternNoIndex
	}
	return strconv.FormatInt(v.Index, 10)
}

func (v PatternVars) indexModulo() string {
	if v.Index == NoIndex {
		return patternNoIndex[len(patternNoIndex)-1:]
	}
	return strconv.FormatInt(v.Index%10, 10)
}

// jobStep is 128.0 for a step and the bare job id for the batch script.
func (v PatternVars) jobStep() string {
	if v.Step == "" {
		return v.JobID.String()
	}
	return fmt.Sprintf("%s.%s", v.JobID, v.Step)
}
