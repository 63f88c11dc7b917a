package api

import (
	"fmt"
	"strconv"
	"strings"
)

// JobID is a positive integer from the one sequence that numbers jobs, deployments and array tasks:
// people type it and Slurm clients parse it.
type JobID int64

// String returns the decimal form.
func (id JobID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseJobID reads a positive decimal job id.
func ParseJobID(s string) (JobID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, Errorf(CodeInvalidID, "%q is no job id; a job id is a positive whole number such as 42", s)
	}
	return JobID(n), nil
}

// Instance names one member of a job over all its attempts: array index and gang rank.
// Index is the user's array index, -1 for a job that is no array. Rank is 0 but for gangs.
type Instance struct {
	Owner JobID `json:"owner"`
	Index int64 `json:"index"`
	Rank  int32 `json:"rank"`
}

// NoIndex is the index of the instances of a job that is no array.
const NoIndex int64 = -1

// String gives the form that people type: 42, 42_7, 42/3, 42_7/3.
func (i Instance) String() string {
	var b strings.Builder
	b.WriteString(i.Owner.String())
	if i.Index != NoIndex {
		fmt.Fprintf(&b, "_%d", i.Index)
	}
	if i.Rank != 0 {
		fmt.Fprintf(&b, "/%d", i.Rank)
	}
	return b.String()
}

// ParseInstance reads 42, 42_7, 42/3 or 42_7/3.
func ParseInstance(s string) (Instance, error) {
	bad := Errorf(CodeInvalidID, "%q names no job; write 42, or 42_7 for an array task, or 42_7/3 for a rank", s)
	rest, rankText, hasRank := strings.Cut(s, "/")
	idText, indexText, hasIndex := strings.Cut(rest, "_")
	id, err := ParseJobID(idText)
	if err != nil {
		return Instance{}, bad
	}
	inst := Instance{Owner: id, Index: NoIndex}
	if hasIndex {
		inst.Index, err = strconv.ParseInt(indexText, 10, 64)
		if err != nil || inst.Index < 0 {
			return Instance{}, bad
		}
	}
	if hasRank {
		rank, err := strconv.ParseInt(rankText, 10, 32)
		if err != nil || rank < 0 {
			return Instance{}, bad
		}
		inst.Rank = int32(rank)
	}
	return inst, nil
}

// PodKey names one attempt of one instance; it is the primary key of a pod.
type PodKey struct {
	Instance
	Attempt int32 `json:"attempt"`
}

// String gives 42_7/3#2: instance and attempt.
func (k PodKey) String() string { return fmt.Sprintf("%s#%d", k.Instance, k.Attempt) }

// PathName is the pod's name in file and cgroup paths, unique on a node: 42_7.3-2, 42-1.
func (k PodKey) PathName() string {
	return strings.ReplaceAll(k.Instance.String(), "/", ".") + "-" + strconv.Itoa(int(k.Attempt))
}
