package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestInstanceText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"42", "42_0", "42_7", "42/3", "42_7/3"} {
		inst, err := api.ParseInstance(text)
		require.NoError(t, err, text)
		require.Equal(t, text, inst.String())
	}
	for _, text := range []string{
		"", "0", "-1", "x", "42_", "42_-1", "42/", "42/x", "42_7/-3", "99999999999999999999",
	} {
		_, err := api.ParseInstance(text)
		require.Equal(t, api.CodeInvalidID, api.CodeOf(err), text)
	}
}

func TestPodPathNameIsUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]api.PodKey{}
	for _, index := range []int64{api.NoIndex, 0, 1, 11} {
		for _, rank := range []int32{0, 1, 11} {
			for _, attempt := range []int32{1, 2, 11} {
				k := api.PodKey{Instance: api.Instance{Owner: 1, Index: index, Rank: rank}, Attempt: attempt}
				require.NotContains(t, seen, k.PathName())
				require.NotContains(t, k.PathName(), "/")
				seen[k.PathName()] = k
			}
		}
	}
}
