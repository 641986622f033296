# Two commands matter: `make demo` and `make test`. Both install what they need and can be run twice. `make install` puts the
# programs with their compiled components, manual pages and completions below $(prefix).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

CARGO ?= cargo
COMPONENTS := target/components
DENY := target/tools/bin/cargo-deny

prefix ?= /usr/local
INSTALLED = $(DESTDIR)$(prefix)

.PHONY: all components programs composer tools lint deny test unit case fast demo demo-composer install clean

all: programs

# Debian packages that the programs, the samples and the tests use.
tools:
	@tools/install-packages

# Stages and assemblers share names, so they are built one after the other and collected apart.
components:
	@rustup target list --installed 2>/dev/null | grep -qx wasm32-wasip2 || rustup target add wasm32-wasip2
	@tools/build-components $(COMPONENTS)

# Features of dependencies are those of the whole workspace, so that nothing is compiled twice; what only the service needs is left out.
programs: components
	$(CARGO) build --release --bin osbuild-wasm --bin osbuild-wasm-helper --bin osbuild-wasm-solver

# The service and its worker.
composer:
	$(CARGO) build --release --bin osbuild-wasm-composer --bin osbuild-wasm-worker

lint: components deny
	@git ls-files -z --cached --others --exclude-standard -- ':!*.json' | xargs -0 codespell
	@shellcheck .ci/run tools/* samples/demo samples/demo-composer tests/benches/recording
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --all-targets -- -D warnings
	$(CARGO) clippy --profile component --target wasm32-wasip2 -p osbuild-stage -p osbuild-stage-common -p osbuild-stages -p osbuild-assemblers -p osbuild-hostile -- -D warnings

# Licences, banned crates and sources; what all platforms depend on has to be there for it.
deny: $(DENY)
	$(CARGO) fetch --quiet --locked
	$(DENY) --offline --locked check licenses bans sources

# It runs for a second: built quickly rather than to be quick.
$(DENY):
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --quiet --debug --locked --no-default-features --root target/tools cargo-deny@0.20.2

# The programs are built together with the tests: on their own, features of dependencies differ, and wasmtime is compiled twice.
test: tools lint
	$(CARGO) build --release --all-targets
	$(CARGO) test --release
	$(CARGO) test -p osbuild-stage -p osbuild-stage-common -p osbuild-stages -p osbuild-assemblers

# What needs neither root nor a sandbox.
unit: components
	$(CARGO) test --release --lib --bins
	$(CARGO) test -p osbuild-stage -p osbuild-stage-common -p osbuild-stages -p osbuild-assemblers

# The cases of one stage: make case STAGE=hostname
case: programs
	@[ -d "tests/cases/$(STAGE)" ] || { echo "make case STAGE=NAME: a directory of tests/cases, e.g. STAGE=hostname" >&2; exit 2; }
	$(CARGO) test --release --test stages -- "$(STAGE)::"

# Programs for trying a change: our own crates incrementally and without optimization.
fast: components
	CARGO_INCREMENTAL=1 $(CARGO) build --profile fast

demo: tools programs
	samples/demo

# The same by the service, over its sockets.
demo-composer: tools programs composer
	samples/demo-composer

install: programs composer
	@tools/install $(INSTALLED) $(prefix)

clean:
	$(CARGO) clean
