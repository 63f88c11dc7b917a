package store_test

import (
	"testing"

	"github.com/coxswain-hpc/coxswain/apiserver/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		t.Helper()
		return open(t)
	})
}
