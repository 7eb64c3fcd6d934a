# The only door: `make help` lists the targets. Everything a target needs is installed by it, in the
# versions below, into .tools and .cache.

CARGO_DENY := 0.20.2
CARGO_MACHETE := 0.9.2

# Arguments of `make run`, such as ARGS= (keep serving after the import).
ARGS ?= --once
# The port of `make localstack`.
PORT ?= 4566

deny := .tools/cargo-deny-$(CARGO_DENY)/bin/cargo-deny
machete := .tools/cargo-machete-$(CARGO_MACHETE)/bin/cargo-machete
# The same features and targets everywhere, so that cargo compiles each dependency once for
# checking and once for running.
all := --workspace --all-features --locked

.PHONY: help run test check bench cold-start fuzz localstack tools clean rust emulator release
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: rust ## import a sample tenant into a sample Halo and print what happened
	cargo run --locked -p halo-entra -- demo $(ARGS)

test: rust emulator release ## all tests, those against LocalStack and of the whole stack included
	infra/scripts/stack.sh prepare
	cargo test $(all)

check: rust tools ## formatting, lints, documentation, licences, unused dependencies
	cargo fmt --all --check
	cargo clippy $(all) --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(all) --no-deps
	$(deny) --locked check bans licenses sources
	$(machete)

bench: rust ## decide 10,000 people and import 25,000, optimised, and print times and what they cost
	cargo bench --locked -p plan --bench decide
	cargo run --locked --profile bench -p halo-entra -- demo --once --people 25000

cold-start: rust release ## start each function 20 times, and print size, time and memory
	infra/scripts/cold-start.py target/release

fuzz: rust ## send generated requests to the demo's API and hold the answers to its document
	infra/scripts/api-fuzz.sh $(SEED)

localstack: ## serve DynamoDB, SQS and Secrets Manager on PORT (4566) until Ctrl-C
	infra/scripts/localstack.sh run $(PORT)

tools: $(deny) $(machete) ## install the programs that `make check` needs

clean: ## remove everything that was built or installed here
	rm -rf .tools .cache
	cargo clean

rust:
	@command -v cargo >/dev/null || { echo 'Rust is missing: install it with rustup, with clippy and rustfmt'; exit 1; }
	@command -v cc >/dev/null || { echo 'A C compiler is missing: apt-get install gcc libc6-dev'; exit 1; }

# The functions as they are deployed, for this machine.
release:
	cargo build --locked --release -p admin -p inbound-logs -p scheduler -p worker

# Only where no Docker engine and no endpoint is there to be used instead.
emulator:
	@test -n "$$HALO_ENTRA_TEST_AWS_ENDPOINT" || docker version >/dev/null 2>&1 || infra/scripts/localstack.sh prepare

# Without optimisation they install in a third of the time and run as long as before: a second.
$(deny) $(machete): .tools/%: | rust
	CARGO_TARGET_DIR=$(CURDIR)/.tools/build CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=symbols \
	cargo install --quiet --locked --root .tools/$(*D:/bin=) $(@F) --version $(lastword $(subst -, ,$(*D:/bin=)))
	rm -rf .tools/build
