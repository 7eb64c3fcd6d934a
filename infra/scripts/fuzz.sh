#!/usr/bin/env bash
# Lets libFuzzer think of inputs for the fuzz targets (tests/src/fuzzed.rs), one target after the other,
# each until its time is over or it finds something. What it learns stays in .cache/fuzz/corpus, and an
# input that found something lies in .cache/fuzz/found: copied to tests/fuzz/kept/TARGET, `make test`
# repeats it from then on.
#
#   fuzz.sh CARGO_FUZZ SECONDS RUNS [TARGET]      RUNS -1 = as many as fit into the time
#
# The compiler is the one of everything else. It has what the fuzzer needs (AddressSanitizer, counters of
# coverage), but only a nightly one, or one that is told to act like it, switches them on: hence
# RUSTC_BOOTSTRAP.
set -euo pipefail

fuzzer=$1 seconds=$2 runs=$3 only=${4:-}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$root/.cache/fuzz
mkdir -p "$work"

echo "== seeds and dictionaries"
cargo test --quiet --locked -p tests --all-features --manifest-path "$root/Cargo.toml" --test fuzzed -- --ignored write_the_seeds
# The same version of everything as in the product; libFuzzer's own are in the manifest.
cp "$root/Cargo.lock" "$root/tests/fuzz/Cargo.lock"

export RUSTC_BOOTSTRAP=1
# The first input of three targets makes a whole deployment, which is why -timeout is not shorter.
# Freed memory that is held back to catch its use counts as used: not much of it.
export ASAN_OPTIONS=quarantine_size_mb=16:detect_leaks=0
for file in "$root"/tests/fuzz/targets/*.rs; do
  target=$(basename "$file" .rs)
  [ -z "$only" ] || [ "$only" = "$target" ] || continue
  mkdir -p "$work/corpus/$target" "$work/found/$target"
  kept=$root/tests/fuzz/kept/$target
  inputs=("$work/corpus/$target" "$work/seeds/$target")
  [ ! -d "$kept" ] || inputs+=("$kept")
  echo "== $target"
  "$root/$fuzzer" run --codegen-units 16 --fuzz-dir "$root/tests/fuzz" --target-dir "$work/build" "$target" \
    "${inputs[@]}" -- \
    -dict="$work/$target.dict" -artifact_prefix="$work/found/$target/" \
    -max_total_time="$seconds" -runs="$runs" -max_len=16384 -timeout=60 \
    -rss_limit_mb=768 -malloc_limit_mb=256 -print_final_stats=1 2>&1 |
    grep --line-buffered -v '^INFO: \|^#[0-9]*\s\(NEW\|REDUCE\|RELOAD\)'
done
