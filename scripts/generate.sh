#!/usr/bin/env bash
# Regenerates every committed generated file. Steps that have no input are left out.
#
#   1. sqlc:        apiserver/store/query and migrations → apiserver/store/internal/db
#   2. go generate: each //go:generate line (schema dump, OpenAPI document, state charts, docs)
#   3. the hash by which internal/archtest notices stale database code
#
# A new generated file is a //go:generate line in the package that knows its content, not a step here.
set -euo pipefail
cd "$(dirname "$0")/.."

config=$(git ls-files --cached --others --exclude-standard -- '*sqlc.yaml')
if [ -n "$config" ]; then
	scripts/tool.sh sqlc
	echo "generate: $config" >&2
	.bin/sqlc generate --file "$config"
fi

# Only the packages with a directive: loading them all costs more than generating.
directives=$(git ls-files --cached --others --exclude-standard -- '*.go' |
	xargs -r grep -l '^//go:generate ' -- || true)
for dir in $(printf '%s\n' "$directives" | xargs -r -n 1 dirname | sort -u); do
	echo "generate: $dir" >&2
	go generate "./$dir"
done

if [ -n "$config" ]; then
	go test -count=1 -run '^TestRepository$' ./internal/archtest -args -update >/dev/null
fi
