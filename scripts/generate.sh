#!/usr/bin/env bash
# Regenerates every committed generated file. Steps that have no input are left out.
#
#   1. sqlc:        apiserver/store/query and migrations → apiserver/store/internal/db
#   2. go generate: each //go:generate line
#   3. tests that write what they compare: those of packages whose tests know -rewrite or COX_REWRITE
#      (state charts, docs/from-slurm.md, the OpenAPI document, the dump of the schema)
#   4. the hash by which internal/archtest notices stale database code
#
# A new generated file is a //go:generate line or such a test in the package that knows its content,
# not a step here.
set -euo pipefail
cd "$(dirname "$0")/.."

# packages_with lists the folders with a file of the given name that contains the pattern.
packages_with() {
	local files
	files=$(git ls-files --cached --others --exclude-standard -- "$2" | xargs -r grep -lE "$1" -- || true)
	printf '%s\n' "$files" | xargs -r -n 1 dirname | sort -u
}

config=$(git ls-files --cached --others --exclude-standard -- '*sqlc.yaml')
if [ -n "$config" ]; then
	scripts/tool.sh sqlc
	echo "generate: $config" >&2
	.bin/sqlc generate --file "$config"
fi

# Only the packages with a directive: loading them all costs more than generating.
for dir in $(packages_with '^//go:generate ' '*.go'); do
	echo "generate: $dir" >&2
	go generate "./$dir"
done

for dir in $(packages_with 'flag\.Bool\("rewrite"' '*_test.go'); do
	echo "generate: $dir -rewrite" >&2
	go test -count=1 "./$dir" -args -rewrite >&2
done
for dir in $(packages_with 'Getenv\("COX_REWRITE"\)' '*_test.go'); do
	echo "generate: $dir COX_REWRITE=1" >&2
	COX_REWRITE=1 go test -count=1 "./$dir" >&2
done

if [ -n "$config" ]; then
	go test -count=1 -run '^TestRepository$' ./internal/archtest -args -update >&2
fi
