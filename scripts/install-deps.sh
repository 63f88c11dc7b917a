#!/usr/bin/env bash
# Installs the Debian packages that a purpose needs, and nothing that is there already.
#
#   scripts/install-deps.sh run|demo|test ...
#
# It takes a moment when all is present, and needs no rights then. Otherwise it works as root or
# with sudo. No database is created and no service is started by it: Coxswain needs PostgreSQL's
# programs only.
set -euo pipefail

run=(postgresql)
demo=("${run[@]}" lammps lammps-examples time)
# Beyond the above: a connection pooler, users that exist in the name service only, a file system that refuses root,
# the workflow manager that drives cox, and what the black-box tests call.
test=("${demo[@]}" pgbouncer libnss-extrausers fuse3 bindfs snakemake procps util-linux)

# fresh_days is how old the package lists may be before an install refreshes them.
readonly fresh_days=7

main() {
	local packages=() group
	[ $# -gt 0 ] || usage
	for group in "$@"; do
		case $group in
		run) packages+=("${run[@]}") ;;
		demo) packages+=("${demo[@]}") ;;
		test) packages+=("${test[@]}") ;;
		*) usage ;;
		esac
	done
	local missing
	missing=$(missing_of "${packages[@]}")
	[ -n "$missing" ] || return 0
	# shellcheck disable=SC2086 # package names are words
	install_packages $missing
}

usage() {
	echo "usage: $0 run|demo|test ..." >&2
	exit 2
}

missing_of() {
	command -v dpkg-query >/dev/null || {
		echo "install-deps: this is not a Debian system. Install the equivalents of: $*" >&2
		exit 1
	}
	local p
	for p in $(printf '%s\n' "$@" | sort -u); do
		dpkg-query -W -f '${db:Status-Abbrev}\n' "$p" 2>/dev/null | grep -q '^ii' || echo "$p"
	done
}

install_packages() {
	echo "install-deps: installing $*" >&2
	become_root "$@"
	refresh_lists
	case " $* " in *" postgresql "*) keep_postgres_quiet ;; esac
	apt install -y --no-install-recommends "$@"
}

# become_root sets as_root to what stands before a privileged command.
become_root() {
	as_root=()
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || {
			echo "install-deps: run this as root: apt-get install $*" >&2
			exit 1
		}
		as_root=(sudo)
	fi
}

# apt runs apt-get. In runlevel 1 packages start no services.
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q -o DPkg::Lock::Timeout=300 "$@" >&2
}

refresh_lists() {
	if [ -z "$(find /var/lib/apt/lists -name '*Packages*' -mtime "-$fresh_days" -print -quit 2>/dev/null)" ]; then
		apt update
	fi
}

# keep_postgres_quiet keeps Debian from making a cluster "main" and starting it at boot.
keep_postgres_quiet() {
	local conf=/etc/postgresql-common/createcluster.conf
	apt install -y --no-install-recommends postgresql-common
	"${as_root[@]}" sed -ri 's/^#?\s*create_main_cluster\s*=.*/create_main_cluster = false/' "$conf"
	grep -q '^create_main_cluster = false' "$conf" ||
		echo 'create_main_cluster = false' | "${as_root[@]}" tee -a "$conf" >/dev/null
}

main "$@"
