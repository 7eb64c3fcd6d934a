#!/usr/bin/env bash
# Builds the functions and deploys the stack, after looking at what would make that fail half-way.
#
#   deploy.sh STACK ARCH [ARGUMENT...]     arguments go to `sam deploy`, such as --guided
#
# PARAMETERS names a file with a line NAME=value for each parameter that is to be set; a stack that exists
# keeps the others. sam and cargo-lambda have to be on the PATH.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=infra/scripts/release.sh
source "$root/infra/scripts/release.sh"
stack=${1:?deploy.sh STACK ARCH}
arch=$(architecture "${2:?deploy.sh STACK ARCH}")
shift 2
template=$root/infra/template.yaml
build=$root/.cache/sam/build

# One argument for each parameter, as the shell's own words would break values with blanks.
mapfile -t parameters < <("$(dirname "$(command -v sam)")/python" "$root/infra/scripts/parameters.py" "$stack" "$template" "$arch" "$@" || echo refused)
if [ "${parameters[-1]:-}" = refused ]; then exit 1; fi

export_flags "$arch" "$root"
sam build --template "$template" --build-dir "$build" --parameter-overrides "ParameterKey=Architecture,ParameterValue=$arch"
sam deploy --template "$build/template.yaml" --config-file "$root/infra/samconfig.toml" --stack-name "$stack" \
  --parameter-overrides "${parameters[@]}" "$@"
