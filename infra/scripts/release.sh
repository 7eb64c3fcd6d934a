# shellcheck shell=bash
# What building and deploying the functions share: for which machine, and with which flags. Sourced by
# build.sh and deploy.sh.

# The architecture that can be built here. Only rustup has the standard library of another one.
architecture() {
  case $1 in
    arm64 | x86_64) ;;
    *) echo "There is no architecture $1: arm64 or x86_64" >&2 && return 1 ;;
  esac
  if [ -d "$(rustc --print target-libdir --target "$(target_of "$1")")" ]; then
    echo "$1"
    return
  fi
  echo "Rust's standard library for $1 is missing (rustup target add $(target_of "$1")): building for x86_64 instead" >&2
  echo x86_64
}

target_of() {
  if [ "$1" = arm64 ]; then echo aarch64-unknown-linux-gnu; else echo x86_64-unknown-linux-gnu; fi
}

switch_of() {
  if [ "$1" = arm64 ]; then echo --arm64; else echo --x86-64; fi
}

# Exports the flags to build with, for an architecture and the repository's directory: the processors that
# Lambda has at least (cargo-lambda's own choice, which RUSTFLAGS replace), and no path of this machine in
# the program.
export_flags() {
  local cpu=haswell root=$2 cargo=${CARGO_HOME:-$HOME/.cargo} sysroot
  if [ "$1" = arm64 ]; then cpu=neoverse-n1; fi
  sysroot=$(rustc --print sysroot)
  export RUSTFLAGS="-Ctarget-cpu=$cpu --remap-path-prefix=$cargo=cargo --remap-path-prefix=$sysroot=rust --remap-path-prefix=$root=halo-entra"
}
