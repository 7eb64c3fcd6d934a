#!/usr/bin/env bash
# A Docker engine for the tests of the AWS side, on a machine where none answers. Nothing is installed:
# Debian's packages are unpacked below .cache, and the engine runs from there as long as COMMAND does.
#
#   docker.sh run COMMAND...   run COMMAND so that its tests use LocalStack in a container: of the image
#                              that LOCALSTACK_TAG names, the public one, or one made here; where that is
#                              impossible, say so and run COMMAND with LocalStack as a process
#   docker.sh prepare          unpack the engine; does nothing when it is there
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
localstack=$root/infra/scripts/localstack.sh
cache=$root/.cache/docker
tools=$cache/engine              # the unpacked packages
log=$cache/dockerd.log
engine=                          # of `run`: the process whose end is the end of the engine

say() {
  echo "docker.sh: $*" >&2
}

fail() {
  say "$*"
  exit 1
}

can_have_engine() {
  local needed
  [ "$(id -u)" = 0 ] || fail "an engine can be started by root only"
  for needed in apt-get dpkg-deb flock pgrep setpriv setsid unshare; do
    command -v "$needed" >/dev/null || fail "$needed is missing: an engine can be had on Debian only"
  done
}

# What Debian offers today, as it keeps no older versions; with lists of our own, so that those of the
# machine stay as they are.
prepare() {
  local apt packages=(docker.io) work=$cache/packages deb
  can_have_engine
  if [ -x "$tools/usr/sbin/dockerd" ]; then return; fi
  say "Unpacking a Docker engine into .cache/docker"
  rm -rf "$work" "$tools"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
  apt=(-qq -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update
  # The client is a package of its own since Debian 13.
  if apt-cache "${apt[@]}" show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
  apt-get "${apt[@]}" install --yes --download-only --no-install-recommends "${packages[@]}" >/dev/null
  for deb in "$work"/cache/archives/*.deb; do
    dpkg-deb --extract "$deb" "$work/root"
  done
  mv "$work/root" "$tools"
  rm -rf "$work"
}

# Starts the engine in namespaces of its own for processes and mounts, so that none of its containers
# and mounts can outlive it: the kernel ends it when this script has died, however that happened. It
# has no bridge, which would need rights over the machine's network: containers use that as it is.
start() {
  local libraries
  libraries=$(printf '%s:' "$tools"/usr/lib/*-linux-gnu* "$tools"/lib/*-linux-gnu*)
  export PATH=$tools/usr/sbin:$tools/usr/bin:$tools/sbin:$PATH DOCKER_HOST=unix://$cache/docker.sock
  # shellcheck disable=SC2016  # the inner shell's variables
  LD_LIBRARY_PATH=$libraries setpriv --pdeathsig KILL setsid \
    unshare --pid --mount-proc --fork --kill-child=KILL \
    sh -c 'mount -t tmpfs run /run && exec dockerd "$@"' dockerd \
    --data-root "$cache/data" --host "$DOCKER_HOST" --storage-driver overlay2 --bridge none \
    --iptables=false --ip6tables=false --ip-forward=false --log-level warn </dev/null >"$log" 2>&1 9>&- &
  engine=$!
  for _ in {1..150}; do
    if docker version >/dev/null 2>&1; then return; fi
    if ! kill -0 "$engine" 2>/dev/null; then break; fi
    sleep 0.2
  done
  kill -KILL "$engine" 2>/dev/null || true
  engine=
  say "the engine does not start; its last words:"
  tail -n 20 "$log" >&2
  return 1
}

stop() {
  trap '' INT TERM HUP
  if [ -z "$engine" ]; then return; fi
  # Tests remove their containers themselves, just after they ended.
  for _ in {1..25}; do
    if [ -z "$(docker ps --all --quiet 2>/dev/null)" ]; then break; fi
    sleep 0.2
  done
  docker ps --all --quiet | xargs -r docker rm --force --volumes >/dev/null || true
  pkill -TERM --parent "$engine" || true
  for _ in {1..100}; do
    if ! kill -0 "$engine" 2>/dev/null; then return; fi
    sleep 0.1
  done
  kill -KILL "$engine" 2>/dev/null || true
}

# One run at a time has the engine of this work tree.
lock() {
  mkdir -p "$cache" && exec 9>"$cache/lock" || return
  flock --nonblock 9 || { say "waiting for another run, which uses the engine"; flock 9; }
}

have_engine() {
  if docker version >/dev/null 2>&1; then return; fi
  (can_have_engine) && lock && "$0" prepare && start
}

# The public image only where the machine has an engine of its own and can reach the registry. Otherwise
# one is made here, so that the same is tested on every machine that has neither.
have_image() {
  local public
  if [ -n "${LOCALSTACK_TAG:-}" ]; then return; fi
  public=$(sed -n 's/^const DEFAULT_TAG: &str = "\(.*\)";/\1/p' "$root/tests/src/aws.rs")
  if [ -z "$engine" ] && docker pull --quiet "localstack/localstack:$public" >/dev/null 2>&1; then
    LOCALSTACK_TAG=$public
  else
    LOCALSTACK_TAG=$("$localstack" image)
  fi && export LOCALSTACK_TAG
}

run() {
  local way status=0
  [ $# -gt 0 ] || fail "usage: docker.sh run COMMAND..."
  trap stop EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if have_engine && have_image; then
    export HALO_ENTRA_TEST_AWS=container
    way="The tests of the AWS side run against LocalStack in a container, localstack/localstack:$LOCALSTACK_TAG"
  else
    export HALO_ENTRA_TEST_AWS=process
    way="NO CONTAINER, for the reason given at the start: the tests of the AWS side run against LocalStack as a process"
  fi
  say "$way"
  "$@" 9>&- || status=$?
  say "$way"
  exit "$status"
}

case ${1:-} in
  prepare) prepare ;;
  run) shift && run "$@" ;;
  *) fail "usage: docker.sh run COMMAND... | prepare" ;;
esac
