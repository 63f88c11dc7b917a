package scheduler

// scoreScale is the score of a perfect fit by one function.
const scoreScale = 1000

// scores is the visible list of preferences between fitting nodes: the sum of weight × value, the
// highest wins, ties go to the lower name. Values lie in 0 … scoreScale and are integers, so that
// every machine computes the same plan.
var scores = []struct {
	name   string
	weight int64
	value  func(s *shape, n *Node) int64
}{
	{"best_fit_cpu", 1, func(s *shape, n *Node) int64 {
		take, _ := s.wants(n)
		return fullness(n.used.CPUMillis+take.CPUMillis, n.Capacity.CPUMillis)
	}},
	{"best_fit_memory", 1, func(s *shape, n *Node) int64 {
		take, _ := s.wants(n)
		return fullness(n.used.MemoryBytes+take.MemoryBytes, n.Capacity.MemoryBytes)
	}},
}

func scoreOf(s *shape, n *Node) int64 {
	var sum int64
	for i := range scores {
		sum += scores[i].weight * scores[i].value(s, n)
	}
	return sum
}

// fullness is used/capacity in parts of scoreScale. Bytes of a real machine × scoreScale stay below 2^63.
func fullness(used, capacity int64) int64 {
	if capacity <= 0 {
		return 0
	}
	return min(scoreScale, used*scoreScale/capacity)
}
