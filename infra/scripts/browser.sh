#!/usr/bin/env bash
# What the tests in a browser need: Chromium with its driver, and axe-core, which looks for barriers.
#
#   browser.sh prepare    install what is missing; does nothing when all is there
#
# Chromium is Debian's, as its own packagers pair it with its driver; where it is missing, root installs
# it, and everybody else is told how.
set -euo pipefail

axe_version=4.14.1

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.cache/browser

fail() {
  echo "browser.sh: $*" >&2
  exit 1
}

chromium() {
  command -v chromium >/dev/null && command -v chromedriver >/dev/null && return
  local install="apt-get install chromium chromium-driver"
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    fail "Chromium and its driver are missing: $install"
  fi
  echo "Installing Chromium and its driver" >&2
  apt-get update --quiet --quiet
  DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends \
    chromium chromium-driver >/dev/null
}

axe() {
  [ -f "$cache/axe-core-$axe_version.js" ] && return
  command -v npm >/dev/null || fail "npm is missing: apt-get install npm"
  echo "Installing axe-core $axe_version into .cache/browser" >&2
  mkdir -p "$cache"
  local unpacked
  unpacked=$(mktemp -d)
  (cd "$unpacked" && npm pack --silent "axe-core@$axe_version" >/dev/null && tar xzf ./*.tgz)
  cp "$unpacked/package/axe.min.js" "$cache/axe-core-$axe_version.js"
  rm -rf "$unpacked"
}

case ${1:-} in
  prepare)
    chromium
    axe
    ;;
  *) fail "usage: browser.sh prepare" ;;
esac
