package kubelet_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The leader hears a node by the number of its renewal: a node whose links live for one renewal each
// must not seem to be silent.
func TestEveryRenewalHasItsOwnNumber(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.start()
	for links := 1; links <= 3; links++ {
		b.wait("the first renewal of a link", func() bool { return len(b.renewSeqs) >= links })
		b.cut()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	require.True(t, slices.IsSorted(b.renewSeqs), "%v", b.renewSeqs)
	require.Len(t, slices.Compact(slices.Clone(b.renewSeqs)), len(b.renewSeqs), "%v", b.renewSeqs)
}
