# What the emulators of AWS have in common; sourced by localstack.sh and stack.sh, which set `fail`.
# shellcheck shell=bash

# shellcheck disable=SC2034  # used by those who source this
uv_version=0.13.9

# Both emulators need Python 3.13: LocalStack's own code does, and its compiled dependencies have no
# wheels for 3.14.
find_python() {
  local candidate
  for candidate in python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python \
    "$HOME"/.local/share/uv/python/cpython-3.13*/bin/python3; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  fail "Python 3.13 with venv is missing: apt-get install python3.13-venv, or pyenv install 3.13"
}

# Runs the command `$4` and on unless the file `$1` says that it was done for `$2` already and the
# Python `$3` that it installed still works. Two test runs may start at once; where flock is missing
# (macOS), prepare before them.
once_for() {
  local stamp=$1 wanted=$2 python=$3
  shift 3
  mkdir -p "$(dirname "$stamp")"
  exec 9>"$stamp.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || ! "$python" -c '' 2>/dev/null; then
    rm -f "$stamp"
    "$@" 9>&-
    echo "$wanted" >"$stamp"
  fi
  exec 9>&-
}

# Of `serve`: the processes that it started, and a directory of its own for each server, with state
# and caches that two servers would otherwise write at once.
server=
watcher=
state=

# Asks the server to end and insists after five seconds. Whom it started, such as a database or the
# functions under test, it ends itself when asked, or leaves behind when it had to be killed.
end_server() {
  local children
  children=$(pgrep -P "$1" || true)
  if kill -TERM "$1" 2>/dev/null; then
    for _ in {1..50}; do
      kill -0 "$1" 2>/dev/null || break
      sleep 0.1
    done
  fi
  # shellcheck disable=SC2086  # one word for each process
  kill -KILL "$1" $children 2>/dev/null || true
}

clean_up() {
  trap - EXIT
  if [ -n "$server" ]; then end_server "$server"; fi
  if [ -n "$watcher" ]; then kill -PIPE -- "-$watcher" 2>/dev/null || true; fi
  rm -rf "$state"
}

# Makes the directory `$state`, which goes with the server.
make_state() {
  state=$(mktemp -d)
  trap clean_up EXIT
  trap 'exit 130' INT TERM
}

# Runs a server in the foreground. When standard input is a pipe, the server ends with it.
serve() {
  exec 3<&0
  set -m # a process group for each job: the end of one is never the end of all
  "$@" </dev/null 3<&- &
  server=$!
  if [ -p /dev/fd/3 ]; then
    watch_input &
    watcher=$!
    disown "$watcher" # its end is not news
  fi
  wait "$server"
}

# A process of its own, so that the server ends even when this script is killed.
watch_input() {
  cat <&3 >/dev/null
  end_server "$server"
  rm -rf "$state"
}
