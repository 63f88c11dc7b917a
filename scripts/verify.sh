#!/usr/bin/env bash
# Fails when a generated file or go.mod is not what its inputs make of it. Uncommitted work is
# fine: only what generating changes counts.
set -euo pipefail
cd "$(dirname "$0")/.."

# state is one line per file that differs from the last commit, with its content's hash.
state() {
	{ git diff HEAD --name-only --diff-filter=d && git ls-files --others --exclude-standard; } | sort -u |
		while read -r path; do echo "$(git hash-object -- "$path") $path"; done
}

before=$(mktemp) after=$(mktemp)
trap 'rm -f "$before" "$after"' EXIT
state >"$before"
scripts/generate.sh
state >"$after"
if ! diff "$before" "$after" >&2; then
	echo "verify: the files above were stale; make generate has now updated them: commit that" >&2
	exit 1
fi
go mod tidy -diff >&2 || {
	echo "verify: go.mod or go.sum is not tidy; run go mod tidy" >&2
	exit 1
}
(cd tools && go mod verify >&2)
