#!/usr/bin/env bash
# Builds the functions for Lambda: each as a program, as a zip, and with a list of all that is in it (a
# CycloneDX SBOM). The same sources give the same bytes, whatever the directory.
#
#   build.sh ARCH        arm64 or x86_64
#
# Writes target/lambda/ARCH/NAME/bootstrap, NAME.zip and NAME.cdx.json. cargo-lambda has to be on the PATH.
set -euo pipefail

functions=(scheduler worker inbound-logs admin)
most_bytes=$((14 * 1024 * 1024)) # of a program: a larger one starts later; admin has most

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=infra/scripts/release.sh
source "$root/infra/scripts/release.sh"
arch=$(architecture "${1:?build.sh ARCH: arm64 or x86_64}")
export_flags "$arch" "$root"
out=$root/target/lambda/$arch

for name in "${functions[@]}"; do
  # One by one, as `sam build` does it: the same features of the same crates, so that it finds all done.
  (cd "$root/functions/$name" && cargo lambda build --release --locked "$(switch_of "$arch")" --lambda-dir "$out")
done
python3 "$root/infra/scripts/package.py" "$out" "$(target_of "$arch")" "$most_bytes" "${functions[@]}"
