package api

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// The bounds of an array expression.
const (
	// ArrayIndexMax is the highest index; it fits the 32 bits that programs read it into.
	ArrayIndexMax int64 = math.MaxInt32
	// ArraySizeMax bounds the tasks of one array, and so the rows that one submit can cause.
	ArraySizeMax int64 = 10_000_000
	// ArrayPiecesMax bounds the pieces of an expression, and so its memory.
	ArrayPiecesMax = 10_000
	// arrayMixedMax bounds the tasks of pieces that interleave with different steps: only those are
	// written out one by one while they are merged.
	arrayMixedMax int64 = 1_000_000
)

const arrayHelp = "write 0-15, 1,3,9-11 or 0-15:4, and %8 at the end for at most 8 tasks at a time"

// Array is an array expression, ready for use: it maps the dense ordinals of the system to the
// indices that people wrote, in rising order and without duplicates. Its memory grows with the
// pieces of the expression, not with the tasks. The zero Array is that of a job that is no array:
// one instance, whose index is NoIndex.
type Array struct {
	// Limit is how many tasks may run at a time; 0 means no limit.
	Limit  int64
	pieces []arrayPiece
}

// arrayPiece is First, First+Step, …, Last. Before counts the tasks of the pieces ahead of it.
type arrayPiece struct {
	first, last, step, before int64
}

func (p arrayPiece) len() int64 { return (p.last-p.first)/p.step + 1 }

// ParseArray reads Slurm's array expressions: 0-15, 0,6,16-32, 0-15:4, each with an optional
// %limit. The empty expression gives the zero Array.
func ParseArray(expr string) (Array, error) {
	if expr == "" {
		return Array{}, nil
	}
	list, limitText, limited := strings.Cut(expr, "%")
	var limit int64
	if limited {
		n, err := parseIndex(limitText)
		if err != nil || n == 0 {
			return Array{}, Errorf(CodeInvalid,
				"array %s: %q is no limit; write a number from 1 after %%", clip(expr), clip(limitText))
		}
		limit = n
	}
	pieces, err := parsePieces(list)
	if err != nil {
		return Array{}, Errorf(CodeInvalid, "array %s: %w", clip(expr), err)
	}
	a := Array{Limit: limit, pieces: pieces}
	if a.Len() > ArraySizeMax {
		return Array{}, Errorf(CodeLimit, "array %s has %d tasks, more than %d; split it into several jobs",
			clip(expr), a.Len(), ArraySizeMax)
	}
	return a, nil
}

// ParseIndices reads a list of array indices as people write them to cancel or hold some tasks:
// 1-4,7 or 0-15:4. The result holds indices, not ordinals; Array.Ordinals converts it.
func ParseIndices(expr string) (Ranges, error) {
	pieces, err := parsePieces(expr)
	if err != nil {
		return nil, Errorf(CodeInvalid, "indices %s: %w", clip(expr), err)
	}
	var list []Range
	for _, p := range pieces {
		if p.step == 1 {
			list = append(list, Range{p.first, p.last + 1})
			continue
		}
		if int64(len(list))+p.len() > RangesMax {
			return nil, Errorf(CodeLimit, "indices %s have more than %d pieces; name them in several calls",
				clip(expr), RangesMax)
		}
		for x := p.first; x <= p.last; x += p.step {
			list = append(list, Range{x, x + 1})
		}
	}
	return RangesOf(list...), nil
}

// IsArray says whether the job is an array; an array of one task is one too.
func (a Array) IsArray() bool { return len(a.pieces) > 0 }

// Len is the number of instances, at least 1.
func (a Array) Len() int64 {
	if !a.IsArray() {
		return 1
	}
	last := a.pieces[len(a.pieces)-1]
	return last.before + last.len()
}

// Index gives the array index of an ordinal; NoIndex for a job that is no array and for an ordinal
// that is not in 0 … Len()-1.
func (a Array) Index(ordinal int64) int64 {
	if !a.IsArray() || ordinal < 0 || ordinal >= a.Len() {
		return NoIndex
	}
	i, found := slices.BinarySearchFunc(a.pieces, ordinal, func(p arrayPiece, o int64) int {
		return compare(p.before, o)
	})
	if !found {
		i--
	}
	p := a.pieces[i]
	return p.first + (ordinal-p.before)*p.step
}

// Ordinal gives the dense ordinal of an index, and whether the array has that index.
func (a Array) Ordinal(index int64) (int64, bool) {
	if !a.IsArray() {
		return 0, index == NoIndex
	}
	if index < 0 || index > ArrayIndexMax {
		return 0, false
	}
	o := a.rank(index)
	return o, o < a.Len() && a.Index(o) == index
}

// Ordinals gives the ordinals of those indices that the array has.
func (a Array) Ordinals(indices Ranges) Ranges {
	if !a.IsArray() {
		return nil
	}
	list := make([]Range, 0, len(indices))
	for _, r := range indices {
		list = append(list, Range{a.rank(r.From), a.rank(r.To)})
	}
	return RangesOf(list...)
}

// rank counts the indices below x.
func (a Array) rank(x int64) int64 {
	i, _ := slices.BinarySearchFunc(a.pieces, x, func(p arrayPiece, x int64) int {
		return compare(p.first, x)
	})
	if i == 0 {
		return 0
	}
	p := a.pieces[i-1]
	return p.before + min(p.len(), (x-1-p.first)/p.step+1)
}

// Min is the lowest index, NoIndex for a job that is no array.
func (a Array) Min() int64 { return a.Index(0) }

// Max is the highest index, NoIndex for a job that is no array.
func (a Array) Max() int64 { return a.Index(a.Len() - 1) }

// Step is the distance of neighbouring indices where it is everywhere the same, else 1.
func (a Array) Step() int64 {
	if a.Len() < 2 {
		return 1
	}
	step := a.Index(1) - a.Index(0)
	for i, p := range a.pieces {
		if p.len() > 1 && p.step != step {
			return 1
		}
		if i > 0 && p.first-a.pieces[i-1].last != step {
			return 1
		}
	}
	return step
}

// String writes the array in its shortest form, with the limit; ParseArray reads it back.
func (a Array) String() string {
	var b strings.Builder
	for i, p := range a.pieces {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.String())
	}
	if a.Limit > 0 {
		b.WriteByte('%')
		b.WriteString(strconv.FormatInt(a.Limit, 10))
	}
	return b.String()
}

// String writes 7, 1-4 or 0-12:4.
func (p arrayPiece) String() string {
	s := strconv.FormatInt(p.first, 10)
	if p.len() > 1 {
		s += "-" + strconv.FormatInt(p.last, 10)
	}
	if p.step > 1 {
		s += ":" + strconv.FormatInt(p.step, 10)
	}
	return s
}
