package header

import (
	"fmt"
	"slices"
	"strings"
)

// mailEvents are sbatch's names with those of the API.
var mailEvents = map[string][]string{
	"NONE": {}, "BEGIN": {"begin"}, "END": {"end"}, "FAIL": {"fail"}, "REQUEUE": {"requeue"},
	"INVALID_DEPEND": {"invalid_depend"}, "TIME_LIMIT": {"time_limit"}, "TIME_LIMIT_90": {"time_limit_90"},
	"TIME_LIMIT_80": {"time_limit_80"}, "TIME_LIMIT_50": {"time_limit_50"}, "ARRAY_TASKS": {"array_tasks"},
	"ALL": {"begin", "end", "fail", "invalid_depend", "requeue"},
}

// setMailType reads a list of events. A later setting replaces an earlier one.
func setMailType(o *Options, v string) error {
	events := []string{}
	for name := range strings.SplitSeq(strings.ToUpper(v), ",") {
		name = strings.TrimSpace(name)
		if name == "STAGE_OUT" {
			return notYet("STAGE_OUT belongs to burst buffers, which are not done yet")
		}
		named, known := mailEvents[name]
		if !known {
			return fmt.Errorf("%q is no event; write some of NONE, BEGIN, END, FAIL, REQUEUE, ALL, "+
				"INVALID_DEPEND, "+
				"TIME_LIMIT, TIME_LIMIT_90, TIME_LIMIT_80, TIME_LIMIT_50, ARRAY_TASKS", clip(name))
		}
		for _, e := range named {
			if !slices.Contains(events, e) {
				events = append(events, e)
			}
		}
	}
	o.MailEvents = events
	return nil
}
