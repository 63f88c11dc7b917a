#!/usr/bin/env bash
# Runs each fuzz test for a while, one after the other (the Go tool fuzzes one at a time).
#
#   scripts/fuzz.sh [time each]     default 30s
set -euo pipefail
cd "$(dirname "$0")/.."

found=0
while IFS=: read -r file line; do
	name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	echo "fuzz: $name in $(dirname "$file")" >&2
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${1:-30s}" "./$(dirname "$file")"
	found=$((found + 1))
done < <(git ls-files -- '*_test.go' | xargs -r grep -HE '^func Fuzz' -- || true)
echo "fuzz: $found fuzz tests ran" >&2
[ "$found" -gt 0 ]
