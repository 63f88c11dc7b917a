package cli

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// word is a word of a shell's line, in quotes or not.
var word = regexp.MustCompile(`(?:[^\s']|'[^']*')+`)

func TestEveryCommandHasExamplesThatAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range commands {
		require.NotEmpty(t, examples[c.name], "cox %s", c.name)
		for line := range strings.Lines(examples[c.name]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "    ") // what follows explains it
			words := word.FindAllString(line, -1)
			require.Equal(t, []string{"cox", c.name}, words[:2])
			found, args, err := newRoot(&app{}, c.name).Find(words[1:])
			require.NoError(t, err, line)
			if found.DisableFlagParsing { // sbatch's way of reading options has its own tests
				continue
			}
			require.NoError(t, found.ParseFlags(args), line)
			require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			require.NoError(t, found.ValidateRequiredFlags(), line)
			require.True(t, found.Runnable(), line)
		}
	}
	require.Len(t, examples, len(commands), "an example without a command")
}
