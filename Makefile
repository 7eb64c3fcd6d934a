# The only door: `make help` lists the targets. Everything a target needs is installed by it, in the
# versions below, into .tools and .cache.

CARGO_DENY := 0.20.2
CARGO_MACHETE := 0.9.2
CARGO_FUZZ := 0.13.2
CARGO_LAMBDA := 1.9.2
AWS_SAM_CLI := 1.170.0
CFN_LINT := 1.58.0
CHECKOV := 3.3.30
UV := 0.13.9
# What these need in turn is not pinned by all of them: nothing newer than this.
PACKAGES_BEFORE := 2026-11-20T00:00:00Z

# Arguments of `make run`, such as ARGS= (keep serving after the import).
ARGS ?= --once
# The port of `make localstack`.
PORT ?= 4566
# Of `make build` and `make deploy`: arm64 or x86_64.
ARCH ?= arm64
# The deployment that `make deploy` makes and the targets below it look at.
STACK ?= halo-entra
export PARAMETERS
# Where it is. SAM knows one name of this variable, and others know the other one.
ifdef AWS_REGION
export AWS_DEFAULT_REGION := $(AWS_REGION)
endif
export SAM_CLI_TELEMETRY := 0

deny := .tools/cargo-deny-$(CARGO_DENY)/bin/cargo-deny
machete := .tools/cargo-machete-$(CARGO_MACHETE)/bin/cargo-machete
fuzzer := .tools/cargo-fuzz-$(CARGO_FUZZ)/bin/cargo-fuzz
lambda := .tools/cargo-lambda-$(CARGO_LAMBDA)/bin/cargo-lambda
sam := .tools/aws-sam-cli-$(AWS_SAM_CLI)/bin/sam
checkov := .tools/checkov-$(CHECKOV)/bin/checkov
# The functions in the template.
resource-scheduler := Scheduler
resource-worker := Worker
resource-inbound-logs := InboundLogs
resource-admin := Admin
# Tests wait for disks and processes more than they compute: two for each processor.
export RUST_TEST_THREADS ?= $(shell expr 2 '*' "$$(getconf _NPROCESSORS_ONLN)")
# The same features and targets everywhere, so that cargo compiles each dependency once for
# checking and once for running.
all := --workspace --all-features --locked

.PHONY: help run test check stack storm bench coldstart fuzz fuzz-api localstack build validate deploy logs dashboard tools clean rust python emulator release sam
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { sub("%", "FUNCTION", $$1); printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: rust ## import a sample tenant into a sample Halo and print what happened
	cargo run --locked -p halo-entra -- demo $(ARGS)

# Starting an engine takes root, so it is done only for those who ask for a container.
test: rust emulator ## all tests, those against LocalStack and of the whole stack included
	infra/scripts/stack.sh prepare
	infra/scripts/browser.sh prepare
	cargo build $(all) --bins
	cargo test $(all) --no-run
	$(if $(filter container,$(HALO_ENTRA_TEST_AWS)),infra/scripts/docker.sh run) infra/scripts/test.sh $(all)

check: rust tools validate ## formatting, lints, documentation, licences, unused dependencies, the template
	cargo fmt --all --check
	cargo clippy $(all) --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(all) --no-deps
	$(deny) --locked check bans licenses sources
	$(machete)

# As deployed, and so not in `make test`: optimising takes longer than all the tests.
stack: rust release ## the story of the whole stack with the optimised functions, with what it counts
	infra/scripts/stack.sh prepare
	HALO_ENTRA_TEST_BINARIES=$(CURDIR)/target/release cargo test $(all) --test stack -- --nocapture

# With PLANTED= nothing is stormed but a product with one of the bugs of tests/tests/storm/planted.rs at a time.
storm: rust ## SEEDS (200) seeded storms, and as many with more weather; SEED= replays one; PLANTED=1 or a bug's name; BACKEND=file or emulator
	HALO_ENTRA_STORM_SEEDS=$(or $(SEEDS),$(if $(PLANTED),60,200)) HALO_ENTRA_STORM_SEED=$(SEED) \
	HALO_ENTRA_STORM_BACKEND=$(BACKEND) HALO_ENTRA_STORM_PLANTED=$(PLANTED) \
	cargo test $(all) --test storm -- --nocapture $(if $(PLANTED),a_planted_bug,after_every_storm)

bench: rust ## what all costs with 1,000 and PEOPLE (100000) people, as a table and in target/bench.json; ONLY= some lines
	cargo bench --locked -p plan --bench decide
	HALO_ENTRA_BENCH_PEOPLE=$(PEOPLE) HALO_ENTRA_BENCH_ONLY=$(ONLY) cargo bench --locked -p halo-entra --bench whole

coldstart: rust release ## start each function 20 times, and print size, time and memory
	infra/scripts/cold-start.py target/release

fuzz: rust $(fuzzer) ## let libFuzzer think of inputs for TARGET (all), each for SECONDS (60) or RUNS inputs
	@command -v c++ >/dev/null || { echo 'A C++ compiler is missing: apt-get install g++'; exit 1; }
	infra/scripts/fuzz.sh $(fuzzer) $(or $(SECONDS),60) $(or $(RUNS),-1) $(TARGET)

fuzz-api: rust ## send generated requests to the demo's API and hold the answers to its document
	infra/scripts/api-fuzz.sh $(SEED)

localstack: ## serve DynamoDB, SQS and Secrets Manager on PORT (4566) until Ctrl-C
	infra/scripts/localstack.sh run $(PORT)

build: rust $(lambda) ## the functions for Lambda: programs, zips and SBOMs below target/lambda; ARCH= for x86_64
	PATH="$(CURDIR)/$(dir $(lambda)):$$PATH" infra/scripts/build.sh $(ARCH)

validate: $(sam) $(checkov) ## the template by SAM, cfn-lint and a security scanner
	@$(checkov) --file infra/template.yaml --framework cloudformation --compact --quiet --skip-download & scan=$$!; \
	$(sam) validate --lint --template infra/template.yaml --region eu-west-1 && \
	$(dir $(sam))cfn-lint --template infra/template.yaml --regions eu-west-1 && wait $$scan

# cargo-lambda asks the first Python for its linker, so its own comes first.
deploy: rust $(lambda) $(sam) ## build, and deploy STACK to AWS; PARAMETERS= a file, or GUIDED=1, the first time
	PATH="$(CURDIR)/$(dir $(lambda)):$(CURDIR)/$(dir $(sam)):$$PATH" \
	infra/scripts/deploy.sh $(STACK) $(ARCH) $(if $(GUIDED),--guided) $(SAM_ARGS)

invoke-%: $(sam) ## call a deployed function with events/EVENT.json; HALO_ENTRA_TOKEN is the token for the API
	@test -f "events/$(EVENT).json" || { echo "Name an event with EVENT=: $(basename $(notdir $(wildcard events/$*-*.json)))"; exit 1; }
	@awk '{ sub("checked-by-the-gateway", ENVIRON["HALO_ENTRA_TOKEN"]) } 1' "events/$(EVENT).json" | \
	$(sam) remote invoke $(resource-$*) --stack-name $(STACK) --event-file -

logs: $(sam) ## follow the logs of the deployed functions until Ctrl-C
	$(sam) logs --stack-name $(STACK) --tail

dashboard: $(sam) ## print the address of the deployment's dashboard
	@$(sam) list stack-outputs --stack-name $(STACK) --output json | \
	python3 -c 'import json, sys; print(*(it["OutputValue"] for it in json.load(sys.stdin) if it["OutputKey"] == "DashboardUrl"))'

tools: $(deny) $(machete) $(sam) $(checkov) ## install the programs that `make check` needs

clean: ## remove everything that was built or installed here
	rm -rf .tools .cache
	cargo clean

rust:
	@command -v cargo >/dev/null || { echo 'Rust is missing: install it with rustup, with clippy and rustfmt'; exit 1; }
	@command -v cc >/dev/null || { echo 'A C compiler is missing: apt-get install gcc libc6-dev'; exit 1; }

# The functions as they are deployed, for this machine.
release:
	cargo build --locked --release -p admin -p inbound-logs -p scheduler -p worker

# For infra/scripts/stack.sh: which SAM it is to use.
sam: $(sam)
	@echo $(CURDIR)/$(sam)

python:
	@python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { echo 'Python 3.10 or newer with venv is missing: apt-get install python3-venv'; exit 1; }

# Only where no Docker engine and no endpoint is there to be used instead.
emulator:
	@test -n "$$HALO_ENTRA_TEST_AWS_ENDPOINT" || docker version >/dev/null 2>&1 || infra/scripts/localstack.sh prepare

# Without optimisation they install in a third of the time and run as long as before: a second.
$(deny) $(machete) $(fuzzer): .tools/%: | rust
	CARGO_TARGET_DIR=$(CURDIR)/.tools/build CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=symbols \
	cargo install --quiet --locked --root .tools/$(*D:/bin=) $(@F) --version $(lastword $(subst -, ,$(*D:/bin=)))
	rm -rf .tools/build

# Programs from PyPI, each in an environment of its own below .tools/NAME-VERSION.
define install
	rm -rf $(@D:/bin=)
	python3 -m venv $(@D:/bin=)
	$(@D)/pip install --quiet --disable-pip-version-check uv==$(UV)
	VIRTUAL_ENV=$(CURDIR)/$(@D:/bin=) $(@D)/uv pip install --quiet --exclude-newer $(PACKAGES_BEFORE) $(1)
endef

$(lambda): | python
	$(call install,cargo-lambda==$(CARGO_LAMBDA))
$(sam): | python
	$(call install,aws-sam-cli==$(AWS_SAM_CLI) cfn-lint==$(CFN_LINT))
$(checkov): | python
	$(call install,checkov==$(CHECKOV))
