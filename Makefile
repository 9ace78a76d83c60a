# Everything a person does with this tree. Only the Rust toolchain (with a C linker) is needed,
# except for `interop`, which needs Node.js 20 and npm.

CARGO ?= cargo
NPM ?= npm
# A debug build serves the demo just as well, and is the one that `make test` has built already.
TRUNKLINE := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/trunkline

.PHONY: help demo run build test interop bench fuzz fmt lint doc ci

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: build ## pair two instances with the simulator, send both ways, receive webhooks (ONCE=1 ends after it)
	@$(TRUNKLINE) demo

run: ## the gateway, for real WhatsApp
	$(CARGO) run --release --locked --bin trunkline -- serve

build:
	$(CARGO) build --locked --bin trunkline

test: build ## every test that needs nothing but the Rust toolchain
	$(CARGO) test --locked --workspace

interop: build ## real clients (Baileys, from npm) against the simulator and the gateway
	@command -v $(NPM) >/dev/null || { echo "interop: SKIPPED LOUDLY: npm (Node.js 20 or later) is not installed" >&2; exit 1; }
	cd tests/interop && $(NPM) ci --silent --no-fund --no-audit && TRUNKLINE=$(TRUNKLINE) $(NPM) test --silent

bench: ## criterion, and the whole process in a release build: a table, and target/bench.json
	$(CARGO) build --locked --release --bin trunkline
	$(CARGO) bench --locked -p wa-binary -p wa-noise -p wa-signal -p storage-sqlite -p webhook
	$(CARGO) run --locked --release -p trunkline-tests --bin bench

fuzz: ## the hostile-input suite with a hundred times the cases; coverage-guided too where cargo-fuzz is installed
	HOSTILE_CASES=10000000 $(CARGO) test --locked --release -p trunkline-tests hostile -- --nocapture
	@if $(CARGO) fuzz --version >/dev/null 2>&1; then \
		cd crates/wa-binary && for target in frame jid; do \
			RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target -- -max_total_time=60 || exit 1; done; \
	else echo "fuzz: coverage-guided part SKIPPED: cargo-fuzz is not installed" >&2; fi

fmt: ## format
	$(CARGO) fmt --all

lint: ## format check and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: ## API documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

ci: lint test doc interop ## what must hold for every commit on main
