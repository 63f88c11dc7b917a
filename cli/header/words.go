package header

import (
	"errors"
	"strings"
)

var (
	errOpenQuote = errors.New("a quote is not closed on its line")
	errBackslash = errors.New("a backslash at the end does not continue a header line; begin the next one " +
		"anew")
	errMidHash = errors.New("a # inside a word: put a space before a comment, or quote the word")
)

// splitWords splits the rest of a header line as sbatch does: blanks separate words, single and
// double quotes keep blanks, a backslash keeps the next character, # begins a comment. Where sbatch
// would cut a word at a # inside it, this is an error instead.
func splitWords(line string) ([]string, error) {
	w := wordSplitter{}
	for i := range len(line) {
		stop, err := w.next(line[i])
		if err != nil {
			return nil, err
		}
		if stop {
			break
		}
	}
	if w.quote != 0 {
		return nil, errOpenQuote
	}
	if w.escaped {
		return nil, errBackslash
	}
	w.end()
	return w.words, nil
}

type wordSplitter struct {
	words   []string
	word    strings.Builder
	inWord  bool
	escaped bool
	quote   byte
}

// next takes one character; stop is true at a comment.
func (w *wordSplitter) next(c byte) (stop bool, err error) {
	switch {
	case w.escaped:
		w.escaped = false
		w.put(c)
	case c == '\\':
		w.escaped, w.inWord = true, true
	case w.quote != 0 && c == w.quote:
		w.quote = 0
	case w.quote != 0:
		w.put(c)
	case c == '"' || c == '\'':
		w.quote, w.inWord = c, true
	case c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r':
		w.end()
	case c == '#' && w.inWord:
		return true, errMidHash
	case c == '#':
		return true, nil
	default:
		w.put(c)
	}
	return false, nil
}

func (w *wordSplitter) put(c byte) {
	w.word.WriteByte(c)
	w.inWord = true
}

func (w *wordSplitter) end() {
	if w.inWord {
		w.words = append(w.words, w.word.String())
	}
	w.word.Reset()
	w.inWord = false
}
