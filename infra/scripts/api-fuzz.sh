#!/usr/bin/env bash
# Sends requests that nobody thought of to the demo's API, and holds every answer to the OpenAPI document
# that the API serves (schemathesis). Prints the seed and the number of cases; ends by itself.
#
#   api-fuzz.sh [SEED]
#
# Checks that are not made, each with the reason:
#   positive_data_acceptance    what is right by its shape may still be refused: a connection that does not
#                               exist (404), a revision that was not named (428), a site that Halo lacks (422)
#   ensure_resource_availability, use_after_free
#                               connections are created with an id of the caller's own, which the links
#                               that schemathesis infers do not follow
#   missing_required_header     no operation has one
set -euo pipefail

schemathesis_version=4.32.5
uv_version=0.13.9
seconds=150                      # the most that generating may take

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$root/.cache/api-fuzz
seed=${1:-$RANDOM}
checks=not_a_server_error,status_code_conformance,content_type_conformance
checks+=,response_headers_conformance,response_schema_conformance,negative_data_rejection
checks+=,unsupported_method,allow_header_conformance,ignored_auth

if [ "$("$venv/bin/st" --version 2>/dev/null)" != "st, version $schemathesis_version" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "uv==$uv_version"
  VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet "schemathesis==$schemathesis_version"
fi

cargo build --quiet --locked -p halo-entra --manifest-path "$root/Cargo.toml"
log=$(mktemp)
trap 'kill "$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true; rm -f "$log"' EXIT
HALO_ENTRA_LOG=error NO_COLOR=1 "$root/target/debug/halo-entra" demo --listen 127.0.0.1:0 >"$log" 2>&1 &
demo=$!
for _ in $(seq 600); do
  grep -q '^  curl ' "$log" && break
  kill -0 "$demo" 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.2
done
token=$(cat "$(sed -n 's/.*HALO_ENTRA_TOKEN=$(cat \(.*\)).*/\1/p' "$log" | head -n 1)")
url=$(sed -n 's|^  curl .* \(http://[^/]*\)/.*|\1|p' "$log" | head -n 1)

echo "seed $seed, against $url; the same again: infra/scripts/api-fuzz.sh $seed"
cd "$venv"
"$venv/bin/st" --config-file "$root/infra/scripts/api-fuzz.toml" run "$url/v1/openapi.json" --url "$url" --header "Authorization: Bearer $token" \
  --checks "$checks" --phases coverage,fuzzing --max-examples 15 --max-time "$seconds" --seed "$seed" \
  --request-timeout 30 --workers 1 --continue-on-failure --no-shrink --suppress-health-check all \
  --warnings off
