#!/usr/bin/env bash
# Runs all tests, which have been built. That of the whole stack waits for timers most of its time, so it
# runs beside the others, and tells at the end what it has to tell.
#
#   test.sh ARGUMENTS...    what cargo is told of packages and features
set -euo pipefail

story=$(mktemp)
cargo test "$@" --test stack -- --nocapture >"$story" 2>&1 &
beside=$!
# Whoever ends this ends both.
trap 'kill "$beside" 2>/dev/null || true; rm -f "$story"' EXIT

failed=0
cargo test "$@" -- --skip a_deployment_lives_through_everything || failed=$?
wait "$beside" || failed=$?
cat "$story"
exit "$failed"
