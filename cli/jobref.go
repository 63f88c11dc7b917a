package cli

import (
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// jobRef is a job as people type it: 42, the array task 42_7, or the tasks 42_[1-4,7].
type jobRef struct {
	ID api.JobID
	// Indices are array indices ("7", "1-4,7"), empty for the whole job.
	Indices string
}

func parseJobRef(s string) (jobRef, error) {
	idText, indices, isTask := strings.Cut(s, "_")
	id, err := api.ParseJobID(idText)
	if err != nil {
		return jobRef{}, api.Errorf(api.CodeInvalidID,
			"%q names no job; write 42, 42_7 for an array task, or 42_[1-4,7]", s)
	}
	if !isTask {
		return jobRef{ID: id}, nil
	}
	indices = strings.TrimSuffix(strings.TrimPrefix(indices, "["), "]")
	if _, err := api.ParseIndices(indices); err != nil {
		return jobRef{}, api.Errorf(api.CodeInvalidID, "%q names no array tasks; write 42_7 or 42_[1-4,7]", s)
	}
	return jobRef{ID: id, Indices: indices}, nil
}

func parseJobRefs(list []string) ([]jobRef, error) {
	refs := make([]jobRef, 0, len(list))
	for _, arg := range list {
		for part := range splitRefs(arg) {
			ref, err := parseJobRef(part)
			if err != nil {
				return nil, err
			}
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// splitRefs splits at commas outside of brackets: 41,42_[1,3],43.
func splitRefs(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		depth, from := 0, 0
		for i, r := range s {
			switch {
			case r == '[':
				depth++
			case r == ']':
				depth--
			case r == ',' && depth == 0:
				if !yield(s[from:i]) {
					return
				}
				from = i + 1
			}
		}
		yield(s[from:])
	}
}

// index is the single array index of the ref, or api.NoIndex for the whole job.
func (r jobRef) index() (int64, error) {
	if r.Indices == "" {
		return api.NoIndex, nil
	}
	index, err := strconv.ParseInt(r.Indices, 10, 64)
	if err != nil {
		return 0, api.Errorf(api.CodeInvalidID, "name one task, such as %s_7", r.ID)
	}
	return index, nil
}

func (r jobRef) String() string {
	switch {
	case r.Indices == "":
		return r.ID.String()
	case strings.ContainsAny(r.Indices, ",-:"):
		return r.ID.String() + "_[" + r.Indices + "]"
	}
	return r.ID.String() + "_" + r.Indices
}
