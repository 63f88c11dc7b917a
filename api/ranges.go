package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Range is a half-open interval of ordinals [From, To).
type Range struct {
	From int64
	To   int64
}

// Ranges is a set of ordinals as sorted, disjoint, non-adjacent, non-empty ranges; the store keeps
// it as int8multirange. Its methods return new values and never change the receiver.
type Ranges []Range

// RangesMax bounds the pieces of a set that is stored: dispatch takes the lowest ordinals first, so
// sets stay compact; the bound keeps a hostile pattern from growing a row without end.
const RangesMax = 10_000

// RangesOf builds a set from ranges in any order; empty ones are dropped, touching ones merged.
func RangesOf(list ...Range) Ranges {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b Range) int { return compare(a.From, b.From) })
	var out Ranges
	for _, r := range sorted {
		if r.From >= r.To {
			continue
		}
		if n := len(out); n > 0 && r.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Len is the number of ordinals in the set.
func (s Ranges) Len() int64 {
	var n int64
	for _, r := range s {
		n += r.To - r.From
	}
	return n
}

// Has says whether x is in the set.
func (s Ranges) Has(x int64) bool {
	i, _ := slices.BinarySearchFunc(s, x, func(r Range, x int64) int { return compare(r.To-1, x) })
	return i < len(s) && s[i].From <= x
}

// Add returns the set with x.
func (s Ranges) Add(x int64) Ranges { return s.Union(Ranges{{x, x + 1}}) }

// Remove returns the set without x.
func (s Ranges) Remove(x int64) Ranges { return s.Minus(Ranges{{x, x + 1}}) }

// Union returns the ordinals that are in s or o.
func (s Ranges) Union(o Ranges) Ranges {
	if len(s) == 0 {
		return slices.Clone(o)
	}
	return RangesOf(append(slices.Clone(s), o...)...)
}

// Minus returns the ordinals that are in s and not in o.
func (s Ranges) Minus(o Ranges) Ranges {
	var out Ranges
	j := 0
	for _, r := range s {
		for j < len(o) && o[j].To <= r.From {
			j++
		}
		from := r.From
		for k := j; k < len(o) && o[k].From < r.To; k++ {
			if o[k].From > from {
				out = append(out, Range{from, o[k].From})
			}
			from = max(from, o[k].To)
		}
		if from < r.To {
			out = append(out, Range{from, r.To})
		}
	}
	return out
}

// Intersect returns the ordinals that are in both.
func (s Ranges) Intersect(o Ranges) Ranges {
	var out Ranges
	for i, j := 0, 0; i < len(s) && j < len(o); {
		from, to := max(s[i].From, o[j].From), min(s[i].To, o[j].To)
		if from < to {
			out = append(out, Range{from, to})
		}
		if s[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return out
}

// TakeLowest returns the n lowest ordinals of s (all, if there are fewer) and the rest.
func (s Ranges) TakeLowest(n int64) (taken, rest Ranges) {
	for i, r := range s {
		if n <= 0 {
			return taken, append(rest, s[i:]...)
		}
		if size := r.To - r.From; size > n {
			taken = append(taken, Range{r.From, r.From + n})
			rest = append(rest, Range{r.From + n, r.To})
			n = 0
			continue
		}
		taken = append(taken, r)
		n -= r.To - r.From
	}
	return taken, rest
}

// Each calls f for every ordinal in rising order until it returns false.
func (s Ranges) Each(f func(int64) bool) {
	for _, r := range s {
		for x := r.From; x < r.To; x++ {
			if !f(x) {
				return
			}
		}
	}
}

// String gives 0-4,7 (inclusive ends, as people write them), or the empty string.
func (s Ranges) String() string {
	parts := make([]string, len(s))
	for i, r := range s {
		parts[i] = strconv.FormatInt(r.From, 10)
		if r.To-r.From > 1 {
			parts[i] += "-" + strconv.FormatInt(r.To-1, 10)
		}
	}
	return strings.Join(parts, ",")
}

// ParseRanges reads the form that String writes.
func ParseRanges(text string) (Ranges, error) {
	if text == "" {
		return nil, nil
	}
	var list []Range
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, two := strings.Cut(part, "-")
		from, err := strconv.ParseInt(lo, 10, 64)
		to := from
		if err == nil && two {
			to, err = strconv.ParseInt(hi, 10, 64)
		}
		if err != nil || from < 0 || to < from {
			return nil, fmt.Errorf("bad range %q in %q", part, text)
		}
		list = append(list, Range{from, to + 1})
	}
	return RangesOf(list...), nil
}

// MarshalJSON writes the form of String.
func (s Ranges) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads the form of String.
func (s *Ranges) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("ranges: %w", err)
	}
	parsed, err := ParseRanges(text)
	*s = parsed
	return err
}
