//go:build invariants

package invariants

// Enabled is true in this build: costly checks run.
const Enabled = true
