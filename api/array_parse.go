package api

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// parsePieces reads a list such as 0,6,16-32:4 into sorted pieces that do not overlap.
func parsePieces(list string) ([]arrayPiece, error) {
	if strings.Count(list, ",") >= ArrayPiecesMax {
		return nil, fmt.Errorf("more than %d pieces; use ranges with steps (0-15:4) or several jobs",
			ArrayPiecesMax)
	}
	var pieces []arrayPiece
	for text := range strings.SplitSeq(list, ",") {
		p, err := parsePiece(text)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, p)
	}
	merged, err := mergePieces(pieces)
	if err != nil {
		return nil, err
	}
	return countPieces(merged), nil
}

// parsePiece reads 7, 0-15 or 0-15:4.
func parsePiece(text string) (arrayPiece, error) {
	span, stepText, stepped := strings.Cut(text, ":")
	firstText, lastText, ranged := strings.Cut(span, "-")
	if stepped && !ranged {
		return arrayPiece{}, fmt.Errorf("piece %q has a step but no range; %s", clip(text), arrayHelp)
	}
	p := arrayPiece{step: 1}
	var err error
	if p.first, err = parseIndex(firstText); err != nil {
		return p, fmt.Errorf("piece %q: %w", clip(text), err)
	}
	p.last = p.first
	if ranged {
		if p.last, err = parseIndex(lastText); err != nil {
			return p, fmt.Errorf("piece %q: %w", clip(text), err)
		}
	}
	if stepped {
		if p.step, err = parseIndex(stepText); err != nil || p.step == 0 {
			return p, fmt.Errorf("piece %q: %q is no step; write a number from 1 after the colon",
				clip(text), clip(stepText))
		}
	}
	if p.last < p.first {
		return p, fmt.Errorf("piece %q runs backwards; write %d-%d", clip(text), p.last, p.first)
	}
	return p.normal(), nil
}

// normal moves last onto the last index; a piece of one index has step 1.
func (p arrayPiece) normal() arrayPiece {
	p.last = p.first + (p.last-p.first)/p.step*p.step
	if p.last == p.first {
		p.step = 1
	}
	return p
}

// parseIndex reads a number from 0 to ArrayIndexMax, digits only.
func parseIndex(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no index; %s", clip(text), arrayHelp)
	}
	if n > uint64(ArrayIndexMax) {
		return 0, fmt.Errorf("%s is above the highest index %d", clip(text), ArrayIndexMax)
	}
	return int64(n), nil
}

// mergePieces sorts the pieces and joins those that overlap, cluster by cluster.
func mergePieces(pieces []arrayPiece) ([]arrayPiece, error) {
	// Of pieces that begin together the longest comes first: it is the one that others may fit into.
	slices.SortFunc(pieces, func(a, b arrayPiece) int {
		return cmp.Or(compare(a.first, b.first), compare(b.last, a.last))
	})
	var out []arrayPiece
	var mixed int64
	for len(pieces) > 0 {
		n := clusterLen(pieces)
		cluster, err := mergeCluster(pieces[:n], &mixed)
		if err != nil {
			return nil, err
		}
		out = append(out, cluster...)
		pieces = pieces[n:]
	}
	out = joinAdjacent(out)
	if len(out) > ArrayPiecesMax {
		return nil, fmt.Errorf("its pieces overlap and come to more than %d; use several jobs",
			ArrayPiecesMax)
	}
	return out, nil
}

// clusterLen counts the leading pieces whose spans overlap one another.
func clusterLen(pieces []arrayPiece) int {
	end := pieces[0].last
	for i, p := range pieces[1:] {
		if p.first > end {
			return i + 1
		}
		end = max(end, p.last)
	}
	return len(pieces)
}

// mergeCluster joins pieces of overlapping spans. Those of one step and one residue stay one piece;
// others are written out, within arrayMixedMax over the whole expression.
func mergeCluster(pieces []arrayPiece, mixed *int64) ([]arrayPiece, error) {
	head := pieces[0]
	aligned := true
	for _, p := range pieces[1:] {
		aligned = aligned && (p.step == head.step || p.first == p.last) && (p.first-head.first)%head.step == 0
		head.last = max(head.last, p.last)
	}
	if aligned {
		return []arrayPiece{head}, nil
	}
	for _, p := range pieces {
		*mixed += p.len()
	}
	if *mixed > arrayMixedMax {
		return nil, fmt.Errorf("pieces of different steps overlap in more than %d tasks; "+
			"write them so that they don't overlap", arrayMixedMax)
	}
	return packIndices(writeOut(pieces)), nil
}

func writeOut(pieces []arrayPiece) []int64 {
	var all []int64
	for _, p := range pieces {
		for x := p.first; x <= p.last; x += p.step {
			all = append(all, x)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// packIndices turns rising indices into pieces: runs, and steps of at least three indices.
func packIndices(xs []int64) []arrayPiece {
	var out []arrayPiece
	for i := 0; i < len(xs); {
		n := evenRun(xs[i:])
		if n == 2 && xs[i+1]-xs[i] > 1 {
			n = 1
		}
		p := arrayPiece{first: xs[i], last: xs[i+n-1], step: 1}
		if n > 1 {
			p.step = xs[i+1] - xs[i]
		}
		out = append(out, p)
		i += n
	}
	return out
}

// evenRun counts the leading numbers that are evenly spaced.
func evenRun(xs []int64) int {
	if len(xs) < 3 {
		return len(xs)
	}
	n := 2
	for n < len(xs) && xs[n]-xs[n-1] == xs[1]-xs[0] {
		n++
	}
	return n
}

// joinAdjacent joins runs that touch: 1,2,3-5 becomes 1-5.
func joinAdjacent(pieces []arrayPiece) []arrayPiece {
	var out []arrayPiece
	for _, p := range pieces {
		if n := len(out); n > 0 && p.step == 1 && out[n-1].step == 1 && out[n-1].last+1 == p.first {
			out[n-1].last = p.last
			continue
		}
		out = append(out, p)
	}
	return out
}

func countPieces(pieces []arrayPiece) []arrayPiece {
	var before int64
	for i := range pieces {
		pieces[i].before = before
		before += pieces[i].len()
	}
	return pieces
}

// clipMax bounds what an error repeats of somebody's input.
const clipMax = 60

// clip shortens text for an error message.
func clip(text string) string {
	if len(text) <= clipMax {
		return text
	}
	return strings.ToValidUTF8(text[:clipMax], "") + "…"
}
