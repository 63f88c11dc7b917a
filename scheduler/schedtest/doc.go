// Package schedtest is the case language of the scheduler's tests: small clusters and queues as text,
// with the expected plans and explanations beside them (testdata/*.txt; -rewrite blesses).
//
// Commands of a case file, each followed by its output:
//
//	world         starts afresh; its input lines are node, partition, qos, job, index, running lines
//	add           the same without starting afresh
//	cycle         runs one cycle and prints the plan (args: budget=, binds=, reservations=, keep)
//	explain       explains job=ID index=N
//	impossible    says whether its input line, a job, could ever run
//
// Durations are relative to the case's noon (+10m, -1h); memory takes Slurm's suffixes (4G).
// keep leaves the binds of the plan running, so that the next cycle builds on them.
package schedtest
