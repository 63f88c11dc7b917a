package store

import (
	"cmp"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// podKeys is a list of pod keys as SQL takes it: a list per column.
type podKeys struct {
	owners, indices []int64
	ranks, attempts []int32
}

func podKeysOf(list []api.PodKey) podKeys {
	var k podKeys
	for _, key := range list {
		k.add(key)
	}
	return k
}

func (k *podKeys) add(key api.PodKey) {
	k.owners = append(k.owners, int64(key.Owner))
	k.indices = append(k.indices, key.Index)
	k.ranks = append(k.ranks, key.Rank)
	k.attempts = append(k.attempts, key.Attempt)
}

func (k *podKeys) len() int { return len(k.owners) }

func podKey(owner, index int64, rank, attempt int32) api.PodKey {
	return api.PodKey{
		Instance: api.Instance{Owner: api.JobID(owner), Index: index, Rank: rank}, Attempt: attempt,
	}
}

// comparePodKeys is the order of the pod table's primary key.
func comparePodKeys(a, b api.PodKey) int {
	return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Rank, b.Rank),
		cmp.Compare(a.Attempt, b.Attempt))
}

func int64s[T ~int64](list []T) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

func addAll[T comparable](set map[T]bool, list []T) {
	for _, v := range list {
		set[v] = true
	}
}

func keysOf[T comparable](set map[T]bool) []T {
	if len(set) == 0 {
		return nil
	}
	out := make([]T, 0, len(set))
	for v := range set {
		out = append(out, v)
	}
	return out
}

func sortedKeys[T cmp.Ordered](set map[T]bool) []T {
	out := keysOf(set)
	slices.Sort(out)
	return out
}
