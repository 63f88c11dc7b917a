#!/usr/bin/env bash
# Measures the built binary; prints RESULT lines. SHORT=1 is the bounded short form of CI, ONLY=a,b
# chooses sections, PEERS is the folder with the peers' own scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
exec go run ./test/bench -cox bin/cox -peers "${PEERS:-}" -only "${ONLY:-}" ${SHORT:+-short}
