#!/bin/bash
#SBATCH --job-name=collect
#SBATCH --mem=64M
#SBATCH --time=1
#SBATCH --output=collect-%j.out
#
# Collects what the tasks of a sweep found into a table: the last line of each one's thermo output.
#
#   cox submit --dependency=afterany:42 collect.sh 42
set -eu

sweep=$1
printf '%4s  %12s  %12s  %12s\n' task T_end energy pressure
for out in melt-"$sweep"_*.out; do
	task=${out##*_}
	task=${task%.out}
	awk -v task="$task" '
		/^ *Step +Temp/ { reading = 1; next }
		/^Loop time/ { reading = 0; done = 1 }
		reading { temperature = $2; energy = $5; pressure = $6 }
		END {
			if (done) printf "%4s  %12s  %12s  %12s\n", task, temperature, energy, pressure
			else printf "%4s  %12s\n", task, "no result"
		}' "$out"
done
