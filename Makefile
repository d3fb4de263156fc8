# The ways to build, test and see flowtrail. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO := cargo
# The Go tests start the program that `cargo build` and `cargo test` leave here.
GO_TEST := FLOWTRAIL_PROGRAM="$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/flowtrail" scripts/go-test
CHAOS_ARGS := $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED)) $(if $(SCENARIO),--scenario $(SCENARIO)) \
	$(if $(CLIENTS),--clients $(CLIENTS)) $(if $(RATE),--rate $(RATE))
DEMO_ARGS := $(if $(ONCE),--once) $(if $(FLOWS),--flows $(FLOWS))

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## See it work: an own PostgreSQL, 10,000 recorded flows (FLOWS=n), then it serves (ONCE=1: stops)
	@scripts/setup build postgresql
	$(CARGO) run --release --locked -- demo $(DEMO_ARGS)

.PHONY: build
build: ## Build target/release/flowtrail
	@scripts/setup build
	$(CARGO) build --release --locked

.PHONY: test
test: ## Check everything: format, lints, documentation, all tests; installs what is missing
	@scripts/setup build lint go curl test-postgresql
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory go-lint
	$(CARGO) test --locked
	$(GO_TEST)

.PHONY: lint
lint: ## Check format, lints, documentation and the plain files
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	scripts/check

.PHONY: go-lint
go-lint: ## Check the Go code: format, vet, staticcheck, generated code up to date
	@scripts/setup build go
	scripts/go-lint

.PHONY: go-test
go-test: ## Test the Go code, racing, against real servers
	@scripts/setup build go test-postgresql
	$(CARGO) build --locked
	$(GO_TEST)

.PHONY: generate
generate: ## Write the Go code of the protocol
	@scripts/setup go
	go -C clients/go/tools run ./generate

.PHONY: fmt
fmt: ## Format the sources
	$(CARGO) fmt
	gofmt -w clients/go

.PHONY: chaos
chaos: ## Break it under load, then check every event (DURATION=60s SEED=n SCENARIO=mix|outage CLIENTS=n RATE=n)
	@scripts/setup build test-postgresql
	$(CARGO) test --release --locked --test chaos -- run $(CHAOS_ARGS)

.PHONY: bench
bench: ## Measure against raw COPY, both in one run; writes bench/RESULTS.md (about 15 minutes)
	@scripts/setup build test-postgresql
	$(CARGO) bench --locked --bench limit

.PHONY: bench-path
bench-path: ## Measure the stations of the way in alone, without a database
	@scripts/setup build
	$(CARGO) bench --locked --bench path

.PHONY: bench-query
bench-query: ## Measure pages of a million instances, every filter
	@scripts/setup build test-postgresql
	$(CARGO) bench --locked --bench query

.PHONY: bench-engine
bench-engine: ## Measure what recording costs a real Flogo engine
	@scripts/setup build go test-postgresql
	$(CARGO) bench --locked --bench engine

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
