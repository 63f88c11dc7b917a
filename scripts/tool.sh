#!/usr/bin/env bash
# Builds a developer's tool into .bin/, at the version that tools/go.mod pins, unless it is there.
#
#   scripts/tool.sh sqlc|golangci-lint
#
# Both are large: the first build takes minutes. Neither building nor testing Coxswain needs them.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
sqlc) package=github.com/sqlc-dev/sqlc/cmd/sqlc module=github.com/sqlc-dev/sqlc ;;
golangci-lint)
	module=github.com/golangci/golangci-lint/v2
	package=$module/cmd/golangci-lint
	;;
*)
	echo "usage: $0 sqlc|golangci-lint" >&2
	exit 2
	;;
esac

want=$(awk -v module="$module" '{ for (i = 1; i < NF; i++) if ($i == module) print $(i + 1) }' tools/go.mod | head -n 1)
[ -n "$want" ] || {
	echo "tool: $module is not in tools/go.mod" >&2
	exit 1
}
have=$(go version -m ".bin/$1" 2>/dev/null | awk '$1 == "mod" || $1 == "dep" { print $2, $3 }' | grep -F "$module $want" || true)
[ -z "$have" ] || exit 0
echo "tool: building $1 $want (minutes, once)" >&2
mkdir -p .bin
(cd tools && nice go build -buildvcs=false -o "../.bin/$1" "$package")
