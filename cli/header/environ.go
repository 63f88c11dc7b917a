package header

import (
	"strings"
)

// readEnviron turns SBATCH_* variables into settings. Empty ones are as if they were not set. One
// that belongs to no option is noted, since sbatch would pass over it in silence.
func readEnviron(environ []string) (settings []Setting, notes []string) {
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || value == "" {
			continue
		}
		o := byEnv(name)
		if o == nil {
			if strings.HasPrefix(name, "SBATCH_") && !strings.HasPrefix(name, "SBATCH_MEM_BIND_") {
				note := clip(name) + " is the variable of no option and has no effect"
				notes = append(notes, note)
			}
			continue
		}
		source := Source{Level: LevelEnviron, Variable: name}
		settings = append(settings, Setting{Option: o, Value: value, HasValue: true, Source: source})
	}
	return settings, notes
}
