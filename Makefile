# Everything a person types. Each target does its own set-up and asks no question; what is missing is said in one line.

.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL := /bin/sh

# Where cargo puts what it builds.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
KLATCH := $(TARGET)/release/klatch

WEB_SOURCES := $(shell find services/web shared/client-ts \( -name node_modules -o -name dist -o -name .test \) -prune -o -type f -print)

.PHONY: help run test check web tools binary clean simulate test-sabotage test-rust test-faults faults-long test-ts test-seeds test-browser test-compose fmt clippy deny schemas

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: tools binary ## build everything and start it on http://127.0.0.1:5004, with two demo people (ARGS="--listen …")
	@exec $(KLATCH) up --dev $(ARGS)

test: tools test-rust test-sabotage test-ts test-seeds test-browser ## every test: Rust, TypeScript, older clients, the page in Chromium

check: fmt clippy deny schemas ## everything that needs no running system: format, lints, licences, schemas

tools: need-python3 ## get nats-server 2.15 or newer into .tools/bin, unless it is there or on PATH
	@python3 scripts/nats_server.py .tools/bin

NODE_OLDEST := 20
NODE_WILL_DO := $(shell command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < $(NODE_OLDEST) ? 1 : 0)' 2>/dev/null && echo yes)

# The page is embedded in the binary, so it comes first; where there is no npm, the binary says how to get it.
ifeq ($(NODE_WILL_DO),yes)
web: services/web/dist/index.html ## build the page
binary: services/web/dist/index.html
else
web: need-npm
binary: no-page
endif

binary: need-cargo ## build target/release/klatch
	@cargo build --release -p klatch

services/web/dist/index.html: node_modules/.package-lock.json $(WEB_SOURCES)
	@npm run --silent build
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	@npm ci --no-progress
	@touch $@

test-rust: need-cargo tools
	cargo test --workspace

# Of the whole workspace, as everywhere: with `-p` cargo would build what all share anew, under fewer features.
FAULTS := klatch-eventlog/faults,klatch-tests/faults

# How long a long run goes on, and from which seed (a fresh one where there is none).
MINUTES := 30
SEED :=

test-faults: need-cargo tools ## minutes: three servers, and everything killed, frozen, cut off and damaged under load
	cargo test --workspace --features $(FAULTS) --test suite -- three_copies races
	cargo test --workspace --features $(FAULTS) --test faults -- --nocapture

faults-long: need-cargo tools ## the same for MINUTES=30, round after round, from SEED=…
	KLATCH_FAULT_MINUTES=$(MINUTES) $(if $(SEED),KLATCH_TEST_SEED=$(SEED)) \
		cargo test --workspace --features $(FAULTS) --test faults -- the_promises_whatever --nocapture

test-sabotage: need-cargo
	cargo test --workspace --features klatch-simulation/sabotage --test sabotage

RUNS := 1000
simulate: need-cargo ## simulate the whole system under faults, run after run (RUNS=10000 SEED=1)
	cargo run --quiet -p klatch-simulation --profile simulation -- --runs $(RUNS) $(if $(SEED),--seed $(SEED))

test-ts: need-npm node_modules/.package-lock.json
	npm test

test-seeds: need-npm node_modules/.package-lock.json tools binary
	KLATCH_BIN=$(KLATCH) npm run test:seeds

test-browser: need-npm need-chromium services/web/dist/index.html tools binary
	KLATCH_BIN=$(KLATCH) npm run test:browser

test-compose: need-cargo need-python3 tools binary ## compose.yaml in containers, which are restarted, killed and cut off (root; FILTER=… for one test)
	@KLATCH_BIN=$(KLATCH) scripts/test_compose.sh $(FILTER)

fmt: need-cargo
	cargo fmt --all --check

clippy: need-cargo
	cargo clippy --workspace --all-targets --features $(FAULTS),klatch-tests/compose,klatch-simulation/sabotage -- -D warnings

ADVISORIES := https://github.com/RustSec/advisory-db
deny: need-cargo
	@command -v cargo-deny >/dev/null || { echo "make: licences and advisories need cargo-deny: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny check bans licenses sources
	@if git ls-remote --exit-code $(ADVISORIES) HEAD >/dev/null 2>&1; then cargo deny check advisories; \
	else echo "make: advisories NOT checked: $(ADVISORIES) can't be reached from here" >&2; fi

schemas: need-npm node_modules/.package-lock.json
	npm run check

clean: ## remove what was built and downloaded; klatch-data stays
	rm -rf target .tools node_modules services/web/dist services/web/.test shared/client-ts/dist tests/browser/dist

# What a machine must have, and what to do if it hasn't.
.PHONY: need-cargo need-npm need-python3 need-chromium no-page
need-cargo:
	@command -v cargo >/dev/null || { echo "make: Rust is missing: see https://rustup.rs" >&2; exit 1; }

need-python3:
	@command -v python3 >/dev/null || { echo "make: python3 is missing: apt install python3" >&2; exit 1; }

need-npm:
	@test "$(NODE_WILL_DO)" = yes || { echo "make: npm and node $(NODE_OLDEST) or newer are missing: apt install nodejs npm" >&2; exit 1; }

need-chromium:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { echo "make: the browser tests need Chromium: apt install chromium" >&2; exit 1; }

no-page:
	@echo "make: the binary comes without the page, which needs npm and node $(NODE_OLDEST) or newer: apt install nodejs npm" >&2
