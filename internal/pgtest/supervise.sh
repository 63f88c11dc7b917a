# Runs the shared test server and stops it when nobody uses it any more.
#
#   $1 folder with postgres    $2 the server's folder
#   $3 pid of the test run     $4 seconds without users until the server stops
#
# Every test program holds a shared lock on the file `users` for as long as it lives; the kernel
# drops the lock however the program ends. Whoever gets the exclusive lock is alone.
set -u
bin=$1 dir=$2 run=$3 limit=$4
cd / || exit 1
exec 9<"$dir/users" || exit 1

"$bin/postgres" -D "$dir/data" >>"$dir/log" 2>&1 9<&- &
server=$!
trap 'kill -QUIT $server 2>/dev/null' INT TERM HUP

idle=0
while kill -0 "$server" 2>/dev/null; do
	sleep 1 9<&-
	if ! flock -n -x 9; then
		idle=0
		continue
	fi
	idle=$((idle + 1))
	if [ "$idle" -ge "$limit" ] || [ ! -d "/proc/$run" ]; then
		# Keep the lock: a test program that comes now waits, finds the folder gone, and starts anew.
		kill -QUIT "$server" # at once: nothing in here is worth a checkpoint
		wait "$server"
		rm -rf "$dir"
		exit 0
	fi
	flock -u 9
done

# The server died by itself. Its log stays for those who still use it.
flock -x 9
rm -rf "$dir"
