#!/usr/bin/env bash
# Runs all tests, which have been built. Those of the whole stack, in the browser and against LocalStack
# wait for others most of their time, so they run beside the rest, and tell at the end what they have to
# tell.
#
#   test.sh ARGUMENTS...    what cargo is told of packages and features
set -euo pipefail

story=$(mktemp)
cargo test "$@" --no-fail-fast --test stack --test browser --test aws_contract --test embedded_contract \
  -- --nocapture >"$story" 2>&1 &
beside=$!
# Whoever ends this ends both.
trap 'kill "$beside" 2>/dev/null || true; rm -f "$story"' EXIT

failed=0
cargo test "$@" -- --skip a_deployment_lives_through_everything --skip from_an_empty_install \
  --skip keeps_its_contract --skip keep_their_contract --skip a_table_that_is_not_there \
  --skip a_body_that_is_no_hint || failed=$?
wait "$beside" || failed=$?
cat "$story"
exit "$failed"
