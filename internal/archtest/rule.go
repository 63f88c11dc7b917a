package archtest

import "fmt"

// Rule is one thing that the architecture demands.
type Rule struct {
	// Name is the subtest's name.
	Name string
	// Why is the reason and the way out, for whoever broke the rule.
	Why   string
	check func(*Tree) []Finding
}

// Finding is one place that breaks a rule.
type Finding struct {
	Path string
	Line int // 0: the file as a whole
	What string
}

// Message is the finding as a developer sees it.
func (r Rule) Message(f Finding) string {
	where := f.Path
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.Path, f.Line)
	}
	return fmt.Sprintf("%s: %s\n\t%s", where, f.What, r.Why)
}

// Rules are all rules, in the order in which they are checked.
func Rules() []Rule {
	return []Rule{
		layersRule(), importersRule(), testOnlyRule(), shimRule(), cgoRule(),
		coresRule(), clockRule(), sleepRule(),
		packageCommentRule(), fileLengthRule(), functionLengthRule(), todoRule(), machinePathRule(),
		generatedRule(),
	}
}
