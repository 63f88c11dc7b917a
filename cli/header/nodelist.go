package header

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// nodeNamesMax bounds the nodes that one expression may name.
const nodeNamesMax = 10_000

// nodeNames reads a list of nodes as Slurm writes it: n1,gpu[01-03,7]. Zeros in front are kept.
func nodeNames(list string) ([]string, error) {
	if strings.Contains(list, "/") {
		return nil, notYet("%q: a file of node names is not read yet; write the names", clip(list))
	}
	var names []string
	for len(list) > 0 {
		part, rest, err := cutPart(list)
		if err != nil {
			return nil, err
		}
		if names, err = expandPart(names, part); err != nil {
			return nil, err
		}
		list = rest
	}
	if len(names) == 0 {
		return nil, errors.New("no node is named")
	}
	return names, nil
}

// cutPart takes the text up to the next comma outside brackets.
func cutPart(list string) (part, rest string, err error) {
	depth := 0
	for i, c := range list {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			return list[:i], list[i+1:], nil
		}
		if depth < 0 || depth > 1 {
			break
		}
	}
	if depth != 0 {
		return "", "", fmt.Errorf("%q: the brackets don't match", clip(list))
	}
	return list, "", nil
}

// expandPart appends the names of one part; it may have one pair of brackets.
func expandPart(names []string, part string) ([]string, error) {
	before, inside, bracketed := strings.Cut(part, "[")
	if !bracketed {
		return appendName(names, part)
	}
	inside, after, closed := strings.Cut(inside, "]")
	if !closed || strings.ContainsAny(after, "[]") {
		return nil, fmt.Errorf("%q: one pair of brackets in a name, such as n[1-3]", clip(part))
	}
	for span := range strings.SplitSeq(inside, ",") {
		low, high, width, err := parseSpan(span)
		if err != nil {
			return nil, err
		}
		for n := low; n <= high; n++ {
			if names, err = appendName(names, fmt.Sprintf("%s%0*d%s", before, width, n, after)); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// parseSpan reads 7 or 01-12; width is that of the zeros in front.
func parseSpan(span string) (low, high int64, width int, err error) {
	lowText, highText, ranged := strings.Cut(span, "-")
	if !ranged {
		highText = lowText
	}
	a, errLow := strconv.ParseUint(lowText, 10, 31)
	b, errHigh := strconv.ParseUint(highText, 10, 31)
	if errLow != nil || errHigh != nil || b < a || len(lowText) > 10 {
		return 0, 0, 0, fmt.Errorf("%q is no range of node numbers; write 1-3", clip(span))
	}
	if strings.HasPrefix(lowText, "0") {
		width = len(lowText)
	}
	return int64(a), int64(b), width, nil
}

// nodeNameMax is the longest host name.
const nodeNameMax = 253

func appendName(names []string, name string) ([]string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "" || len(name) > nodeNameMax || strings.ContainsAny(name, " \t[]"):
		return nil, fmt.Errorf("%q is no name of a node", clip(name))
	case len(names) >= nodeNamesMax:
		return nil, fmt.Errorf("more than %d nodes", nodeNamesMax)
	}
	return append(names, name), nil
}
