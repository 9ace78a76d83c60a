# Everything a person does with this tree. Only the Rust toolchain (with a C linker) is needed,
# except for `interop` and `test-browser`, which need Node.js 20 and npm, and `contract` and `lint-deploy`, which need
# Python 3.10 and PyPI.

CARGO ?= cargo
NPM ?= npm
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# A debug build serves the demo just as well, and is the one that `make test` has built already.
TRUNKLINE := $(TARGET)/debug/trunkline
# The binary that `bench` compares with. Unless another is named, the first version is built once from the history;
# `make bench BASELINE=` compares with nothing.
FIRST := 8fe5a9e
BASELINE ?= $(TARGET)/baseline/target/release/trunkline

# What is published, and the version it has.
PUBLISHED := wa-binary wa-crypto wa-protobuf wa-noise wa-signal wa-media wa-appstate wa-history wa-store wa-import wa-client wa-simulator
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

.PHONY: help demo run build test interop test-browser contract package bench soak abuse fuzz fmt lint lint-deploy audit doc ci

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: build ## pair two instances with the simulator, send both ways, receive webhooks (ONCE=1 ends after it)
	@$(TRUNKLINE) demo

run: ## the gateway, for real WhatsApp
	$(CARGO) run --release --locked --bin trunkline -- serve

# With BUILT=1, which `ci` says, the binary that the tests were run with does: another would be of other features of the
# same crates, and take as long to build again.
build:
	$(if $(BUILT),test -x $(TRUNKLINE),$(CARGO) build --locked --bin trunkline)

test: ## every test that needs nothing but the Rust toolchain (and a PostgreSQL, where there is one); what meets the simulator, under both of its profiles
	$(CARGO) test --locked --workspace --no-run
	TRUNKLINE=$(TRUNKLINE) $(CARGO) test --locked --workspace
	SIMULATOR_PROFILE=hostile $(CARGO) test --locked --workspace --test scenarios --test services --test it
	SIMULATOR_PROFILE=hostile TRUNKLINE=$(TRUNKLINE) $(CARGO) test --locked --workspace --test acceptance kill

# What Baileys itself doesn't survive; tests/interop/README.md says why.
BAILEYS_DIES_OF := busy_pairing,devices_by_lid_only,history_blobs,app_state_blobs

interop: build ## real clients (Baileys, from npm) against the simulator, under both of its profiles, and the gateway
	@command -v $(NPM) >/dev/null || { echo "interop: SKIPPED LOUDLY: npm (Node.js 20 or later) is not installed" >&2; exit 1; }
	cd tests/interop && $(NPM) ci --silent --no-fund --no-audit && TRUNKLINE=$(TRUNKLINE) $(NPM) test --silent
	cd tests/interop && TRUNKLINE=$(TRUNKLINE) SIMULATOR_PROFILE=hostile SIMULATOR_WITHOUT=$(BAILEYS_DIES_OF) $(NPM) test --silent

# Where npm, its packages or a Chromium can't be had, the target says so and is no failure; where CI=true, only a missing
# Chromium is none.
test-browser: build ## the console and the QR page in a headless Chromium; pictures of all screens in target/screenshots
	@if ! command -v $(NPM) >/dev/null; then \
		echo "test-browser: SKIPPED LOUDLY: npm (Node.js 20 or later) is not installed" >&2; test "$(CI)" != true; \
	elif ! tests/browser/chromium; then \
		echo "test-browser: SKIPPED LOUDLY: there is no Chromium" >&2; \
	elif ! $(NPM) ci --prefix tests/browser --silent --no-fund --no-audit --ignore-scripts; then \
		echo "test-browser: SKIPPED LOUDLY: its packages can't be had" >&2; test "$(CI)" != true; \
	else cd tests/browser && TRUNKLINE=$(TRUNKLINE) SCREENSHOTS=$(TARGET)/screenshots $(NPM) test --silent; fi

# What `contract` needs of others, in versions that are written down. Without it the target says so and is no failure,
# except where CI=true.
CONTRACT := $(TARGET)/contract

contract: build ## schemathesis, every check of it, against the API that the gateway describes, as administrator and as user
	@if $(PYTHON) -m venv $(CONTRACT) && \
		$(CONTRACT)/bin/pip install --quiet --disable-pip-version-check --requirement tests/contract/requirements.txt; then \
		TRUNKLINE=$(TRUNKLINE) $(CONTRACT)/bin/python tests/contract/run.py; \
	else echo "contract: SKIPPED LOUDLY: Python 3.10 or later, or PyPI, can't be had" >&2; test "$(CI)" != true; fi

# The program is copied away, so that it finds neither the workspace nor its crates; only the versions of other
# people's crates are those of the workspace. Building it from the unpacked packages is what verifies them: cargo's own
# verification would build each with all that it needs, once for every crate.
package: ## the wa-* crates as they would be published, and a program outside the workspace that needs nothing else
	$(CARGO) package --locked --allow-dirty --no-verify $(PUBLISHED:%=--package %)
	cd $(TARGET)/package && for crate in $(PUBLISHED); do \
		rm -rf $$crate-$(VERSION) && tar -xzf $$crate-$(VERSION).crate || exit 1; done
	mkdir -p $(TARGET)/embedder
	cp -R tests/embedder/. Cargo.lock $(TARGET)/embedder
	cd $(TARGET)/embedder && $(CARGO) test --target-dir $(TARGET)/embedder/target \
		$(foreach crate,$(PUBLISHED),--config 'patch.crates-io.$(crate).path="$(TARGET)/package/$(crate)-$(VERSION)"')

bench: $(BASELINE) ## criterion, and the whole process in release builds, now (on SQLite, on PostgreSQL) and at first: a table, and target/bench.json
	$(CARGO) build --locked --release --bin trunkline
	$(CARGO) bench --locked -p wa-binary -p wa-noise -p wa-signal -p wa-media -p storage-sqlite -p webhook
	BASELINE=$(BASELINE) $(CARGO) run --locked --release -p trunkline-tests --bin bench

$(TARGET)/baseline/target/release/trunkline:
	mkdir -p $(TARGET)/baseline
	git archive $(FIRST) | tar -x -C $(TARGET)/baseline || { echo "bench: the history lacks $(FIRST); try BASELINE=" >&2; exit 1; }
	cd $(TARGET)/baseline && CARGO_TARGET_DIR=$(TARGET)/baseline/target $(CARGO) build --locked --release --bin trunkline

soak: build ## a fleet on a hostile simulator for SOAK_SECONDS (600), then all attacks at once for ABUSE_SECONDS (600)
	$(CARGO) run --locked -p trunkline-tests --bin soak
	$(MAKE) abuse

abuse: build ## the second half of soak alone
	$(CARGO) test --locked -p trunkline-tests --test acceptance -- --ignored --nocapture abuse::together

fuzz: ## the hostile-input suite with a hundred times the cases; coverage-guided too where cargo-fuzz is installed
	HOSTILE_CASES=10000000 $(CARGO) test --locked --release -p trunkline-tests hostile -- --nocapture
	@if $(CARGO) fuzz --version >/dev/null 2>&1; then \
		for target in wa-binary/frame wa-binary/jid wa-appstate/decoders wa-history/plain wa-history/stream wa-import/store; do \
			(cd crates/$${target%/*} && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $${target#*/} -- -max_total_time=60) || exit 1; done; \
	else echo "fuzz: coverage-guided part SKIPPED: cargo-fuzz is not installed" >&2; fi

fmt: ## format
	$(CARGO) fmt --all

lint: ## format check and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# Helm's own engine and the schemas of others, in versions that are written down. Without them it says so, and is no failure.
LINT_DEPLOY := $(TARGET)/lint-deploy

lint-deploy: ## what operators start from: the chart by Helm and Kubernetes' schemas, the compose file by its own, the systemd unit
	@if $(PYTHON) -m venv $(LINT_DEPLOY) && \
		$(LINT_DEPLOY)/bin/pip install --quiet --disable-pip-version-check --requirement tests/deploy/requirements.txt; then \
		$(LINT_DEPLOY)/bin/python tests/deploy/lint.py; \
	else echo "lint-deploy: SKIPPED LOUDLY: Python 3.10 or later, or PyPI, can't be had" >&2; fi

# Not part of `ci`: cargo-deny takes many minutes to build, and the list of vulnerabilities needs the network. What it asks
# of names and versions is held by `make test` as well.
DENY := $(TARGET)/tools/bin/cargo-deny

audit: ## licences, banned and doubled crates, sources, known vulnerabilities: cargo-deny, installed into the target folder
	@test -x $(DENY) || $(CARGO) install --locked --root $(TARGET)/tools cargo-deny \
		|| { echo "audit: SKIPPED LOUDLY: cargo-deny could not be installed" >&2; exit 1; }
	$(DENY) check bans licenses sources
	@if $(DENY) fetch db; then $(DENY) check --disable-fetch advisories; else \
		echo "audit: VULNERABILITIES NOT CHECKED: their database can't be reached" >&2; exit 1; fi

doc: ## API documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

# `contract` and `test-browser` are not part of it yet: they go in with the first runs without a finding. `lint-deploy` needs PyPI.
ci: lint test doc package ## what must hold for every commit on main
	$(MAKE) interop BUILT=1
