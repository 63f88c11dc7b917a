#!/usr/bin/env bash
# Runs a LAMMPS parameter sweep on a cluster of this machine, as an ordinary user. Compares the results
# with those of the same runs without Coxswain, and the accounting with what /usr/bin/time said of the
# very programs that were accounted. Leaves the cluster running.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
readonly user=coxdemo
readonly tolerance=5 # per cent, of CPU time and of peak memory
tasks=(0 1 2 3 4 5)

main() {
	local began=$SECONDS
	cox=$root/bin/cox
	[ -x "$cox" ] || die "$cox is missing: make build"
	start_cluster
	choose_user
	work=$(as_user mktemp -d "$home/cox-demo-XXXXXX")
	as_user cp "$examples/sweep.sh" "$examples/collect.sh" "$work"
	submit
	watch
	show
	compare
	title "The cluster goes on (this took $((SECONDS - began)) s)"
	farewell
}

die() {
	echo "demo: $*" >&2
	exit 1
}

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# show_run prints a command as a user would type it, and runs it.
show_run() {
	printf '$ cox %s\n' "$*"
	as_user "$cox" "$@"
}

start_cluster() {
	title "A cluster on this machine"
	if "$cox" context show >/dev/null 2>&1 && "$cox" version --remote >/dev/null 2>&1; then
		echo "A cluster runs already: $("$cox" context show)"
		return
	fi
	"$cox" up --detach
}

# choose_user makes as_user run commands as an ordinary user who can read what is needed.
choose_user() {
	examples=$root/examples/lammps
	if [ "$(id -u)" -ne 0 ]; then
		home=$HOME
		as_user() { (cd "${work:-$HOME}" && "$@"); }
		return
	fi
	id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
	home=$(getent passwd "$user" | cut -d: -f6)
	as_user() { (cd "${work:-$home}" && runuser -u "$user" -- "$@"); }
	if ! as_user test -x "$cox" -a -r "$examples/sweep.sh" 2>/dev/null; then
		# The checkout is closed to other users: give them copies.
		install -d /var/lib/cox/demo
		install -m 755 "$cox" "$examples"/*.sh /var/lib/cox/demo
		cox=/var/lib/cox/demo/cox examples=/var/lib/cox/demo
	fi
}

submit() {
	title "User $(as_user id -un) submits a sweep of ${#tasks[@]} temperatures, and one task too large for its memory"
	grep '^#SBATCH' "$root/examples/lammps/sweep.sh"
	sweep=$(as_user "$cox" submit --quiet --parsable sweep.sh)
	echo "$ cox submit sweep.sh                                     -> job $sweep"
	collect=$(as_user "$cox" submit --quiet --parsable --dependency="afterany:$sweep" collect.sh "$sweep")
	echo "$ cox submit --dependency=afterany:$sweep collect.sh $sweep  -> job $collect"
}

watch() {
	title "While it runs"
	show_run queue
	echo
	show_run why "${sweep}_5"
	show_run why "$collect"
	echo
	if [ -t 2 ]; then
		as_user "$cox" wait "$sweep" || true
		as_user "$cox" wait "$collect"
		return
	fi
	as_user "$cox" wait "$collect" &
	local waiting=$! line last=
	while kill -0 "$waiting" 2>/dev/null; do
		# Only what is new: the counts at the end of the line.
		line=$(as_user "$cox" queue "$sweep" | tail -n +2 | sed 's/.*  //; s/;.*//')
		[ -z "$line" ] || [ "$line" = "$last" ] || echo "job $sweep: $line"
		last=$line
		sleep 1
	done
	wait "$waiting" || die "the collecting job failed: cox job $collect"
}

show() {
	title "What the dependent job collected"
	as_user cat "$work/collect-$collect.out"
	title "What each task used"
	show_run history "$sweep"
	title "Why the last task ended"
	show_run why "${sweep}_6"
	local code=0
	as_user "$cox" wait "${sweep}_6" || code=$?
	[ "$code" -eq 137 ] || die "task 6 ended with $code, not out of memory (137)"
}

# compare runs the same inputs without Coxswain, as many at a time as the sweep did.
compare() {
	title "The same runs without Coxswain, and what /usr/bin/time -v said inside of the tasks"
	as_user env OMP_NUM_THREADS=1 xargs -P 2 -I{} sh -c 'lmp -in in.melt.{} -log none >direct.{}' \
		<<<"$(printf '%s\n' "${tasks[@]}")"
	as_user "$cox" history --format json "$sweep" | accounting >"$work/accounting"
	printf '%4s  %10s %10s %6s  %10s %10s %6s  %s\n' task 'cpu cox/s' 'time -v' diff 'MiB cox' 'time -v' diff results
	local bad=0 task
	for task in "${tasks[@]}"; do
		compare_task "$task" || bad=1
	done
	[ "$bad" -eq 0 ] || die "results or accounting differ"
}

# accounting turns the JSON of attempts into lines of task, CPU seconds, peak bytes.
accounting() {
	awk -F'[:,]' '
		/"index":/ { task = $2 + 0 }
		/"cpu_seconds":/ { cpu[task] = $2 + 0 }
		/"peak_memory_bytes":/ { peak[task] = $2 + 0 }
		END { for (t in cpu) print t, cpu[t], peak[t] }'
}

compare_task() {
	local task=$1 same=equal
	if ! cmp -s <(thermo "$work/melt-${sweep}_$task.out") <(thermo "$work/direct.$task"); then
		same=DIFFERENT
	fi
	awk -v task="$task" -v same="$same" -v tolerance="$tolerance" '
		function off(a, b) { return b == 0 ? 100 : 100 * (a - b) / b }
		function far(x) { return x > tolerance || x < -tolerance }
		FILENAME ~ /accounting$/ { if ($1 == task) { cpu = $2; peak = $3 / 1048576 } next }
		/User time|System time/ { timed += $NF }
		/Maximum resident/ { resident = $NF / 1024 }
		END {
			c = off(cpu, timed); m = off(peak, resident)
			printf "%4s  %10.2f %10.2f %+5.1f%%  %10.1f %10.1f %+5.1f%%  %s\n", task, cpu, timed, c, peak, resident, m, same
			exit same != "equal" || far(c) || far(m)
		}' "$work/accounting" "$work/time.$task"
}

# thermo prints the physical results of a run, without its timings.
thermo() { sed -n '/^ *Step/,/^Loop time/{/^Loop time/!p}' "$1"; }

farewell() {
	local as=
	[ "$(id -u)" -ne 0 ] || as="runuser -u $user -- "
	cat <<-END
		Results are in $work. Use the cluster, for example:
		  ${as}$cox run -- hostname
		  ${as}$cox submit --wrap 'sleep 60'
		  ${as}$cox queue
		  ${as}$cox history
		Stop it:
		  $cox down
	END
}

main "$@"
