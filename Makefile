# Cloud Policy Engine. `make help` lists what can be done.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PROFILE ?= release
CARGO ?= cargo
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# Where the lab keeps its roots and the installed programs; the end-to-end tests read it too.
export CPE_LAB ?= $(CURDIR)/target/lab
LAYER := $(CPE_LAB)/layer
# End-to-end tests make namespaces and a cgroup, so their binaries run as root.
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
RUNNER := CARGO_TARGET_$(subst -,_,$(shell echo $(HOST) | tr a-z A-Z))_RUNNER
AS_ROOT := $(if $(SUDO),$(RUNNER)="sudo -E")
# The tests of the agent's class systemd run under a private `systemd --user`.
UNDER_USER_MANAGER := $(RUNNER)="$(if $(SUDO),sudo -E )$(CURDIR)/tests/lab/user-manager.sh --"

-include mk/install.mk

.PHONY: help
help: ## this text
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: packages
packages: ## install the system packages that building and testing need
	@SUDO="$(SUDO)" ./mk/packages.sh

.PHONY: build
build: packages ## build all programs (release); FEATURES=dpe/otlp: with spans of transitions
	$(CARGO) build --release --locked $(if $(FEATURES),--features $(FEATURES))

.PHONY: lab
lab: packages ## build what the end-to-end tests boot: four Debian roots and the installed programs
	$(CARGO) build --locked
	$(SUDO) ./tests/lab/build-roots.sh $(CPE_LAB)/roots
	$(SUDO) ./tests/lab/fetch-alerts.sh $(CPE_LAB)/alerts
	$(SUDO) ./tests/lab/browser.sh $(CPE_LAB)/browser || [ $$? = 77 ]
	$(SUDO) ./tests/lab/fetch-prometheus.sh $(CPE_LAB)/prometheus
	$(SUDO) ./tests/lab/fetch-etcd.sh $(CPE_LAB)/etcd
	$(SUDO) rm -rf --one-file-system "$(LAYER).new"
	$(SUDO) $(MAKE) --no-print-directory install PROFILE=debug DESTDIR=$(LAYER).new
	$(SUDO) rm -rf --one-file-system "$(LAYER)" && $(SUDO) mv "$(LAYER).new" "$(LAYER)"
	$(SUDO) ./tests/lab/machines.sh $(CPE_LAB) || [ $$? = 77 ]

.PHONY: demo
demo: packages ## the whole job on a private real system, step by step (STAGE=processes: without booted guests; STAGE=hosts: several hosts; STAGE=postgresql: a database loses its primary; STAGE=vm: virtual machines)
	@./tests/lab/demo.sh $(STAGE)

.PHONY: test
# Where tests write what they cannot test on this machine, and why: it is shown at the end.
test: export CPE_NOT_TESTED := $(CURDIR)/target/not-tested
test: lab ## every test but that of `make contract`
	@mkdir -p "$(CURDIR)/target" && $(SUDO) rm -f "$(CPE_NOT_TESTED)"
	$(CARGO) test --locked --no-fail-fast --workspace --exclude end-to-end
	$(CARGO) test --locked --workspace --exclude end-to-end --features dpe/otlp --lib --test lifeline spans
	$(AS_ROOT) $(CARGO) test --locked --workspace --exclude end-to-end --test bus_api -- --ignored
	$(UNDER_USER_MANAGER) $(CARGO) test --locked --workspace --exclude end-to-end --test systemd -- --ignored
	$(AS_ROOT) RUST_TEST_THREADS=$${E2E_THREADS:-2} $(CARGO) test --locked --no-fail-fast -p end-to-end
	./tests/lab/demo.sh vm || [ $$? = 77 ]
	@[ ! -e "$(CPE_NOT_TESTED)" ] || sort -u "$(CPE_NOT_TESTED)"

.PHONY: deb
deb: build ## Debian packages, in target/packages: cpe, cpe-agent, cpe-gateway, cpectl
	@rm -rf target/packages/tree && $(MAKE) --no-print-directory install DESTDIR=target/packages/tree > /dev/null
	@mk/deb.sh target/packages/tree target/packages

.PHONY: rpm
rpm: build ## RPM packages, in target/packages: cpe, cpe-agent, cpe-gateway, cpectl
	@rm -rf target/packages/tree && $(MAKE) --no-print-directory install DESTDIR=target/packages/tree > /dev/null
	@mk/rpm.sh target/packages/tree target/packages

.PHONY: e2e
e2e: ## one end-to-end test, after `make lab`: TEST=NAME
	$(AS_ROOT) $(CARGO) test --locked -p end-to-end -- $(TEST)

# Not a test of `make test`: no package of Debian has the program, and it takes minutes.
.PHONY: contract
contract: ## the running gateway against docs/openapi.json, after `make lab`; fetches schemathesis, unless SCHEMATHESIS names it
	$(if $(SCHEMATHESIS),,$(SUDO) ./tests/lab/contract-tools.sh $(CPE_LAB)/contract)
	$(AS_ROOT) $(CARGO) test --locked -p end-to-end --test system -- --ignored the_gateway_keeps_its_contract

.PHONY: bench
bench: lab build ## speed and memory: the scheduler beside crm_simulate, then the whole system
	target/release/scheduler-bench $(if $(wildcard ../shared/corpus/xml),--corpus ../shared/corpus/xml)
	target/release/scheduler-bench --growth target/scheduler-growth
	$(SUDO) $(MAKE) --no-print-directory install PROFILE=release DESTDIR=$(CPE_LAB)/release-layer > /dev/null
	$(CARGO) build --locked --quiet -p end-to-end --bins
	$(AS_ROOT) CPE_LAB_LAYER=$(CPE_LAB)/release-layer $(CARGO) run --locked --quiet -p end-to-end --bin figures

MINUTES ?= 10
.PHONY: torture
torture: lab ## the real system under random faults, for MINUTES (10); SEED=N repeats a schedule
	$(CARGO) build --locked --quiet -p end-to-end --bins
	$(AS_ROOT) $(CARGO) run --locked --quiet -p end-to-end --bin torture -- --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

CHECKS ?=
.PHONY: acceptance
acceptance: lab ## twelve checks of what operators use, on a private real system; CHECKS="3 4": only these
	$(SUDO) ./tests/lab/contract-tools.sh $(CPE_LAB)/contract || [ $$? = 77 ]
	$(CARGO) build --locked --quiet -p end-to-end --bins
	$(CARGO) build --locked --quiet -p cpe-gateway --examples
	$(AS_ROOT) $(CARGO) run --locked --quiet -p end-to-end --bin acceptance -- $(CHECKS)

SEEDS ?= 2000
FROM ?= 1
JOBS ?= 0
SIMULATION ?= simulation
.PHONY: simulate
simulate: ## the controller's simulation: SEEDS (2000) seeds from FROM (1) in JOBS (0: all processors) threads; SIMULATION=seeds for very many
	$(CARGO) run --locked --quiet --profile $(SIMULATION) -p controller-sim -- --seeds $(SEEDS) --from $(FROM) --jobs $(JOBS)

OWNERSHIP_SEEDS ?= 20000
.PHONY: simulate-hosts
simulate-hosts: ## the simulation of hosts that share deployments: OWNERSHIP_SEEDS (20000) seeds from FROM (1) in JOBS (0: all processors) threads
	$(CARGO) run --locked --quiet --profile simulation -p ownership-sim -- --seeds $(OWNERSHIP_SEEDS) --from $(FROM) --jobs $(JOBS)

FUZZ_SECONDS ?= 600
FUZZ_JOBS ?= 1
FUZZ := $(CURDIR)/target/fuzz
.PHONY: fuzz
fuzz: ## the engine on any bytes, for FUZZ_SECONDS (600); see crates/policy-engine/fuzz/README.md
	@command -v cargo-fuzz > /dev/null || { echo "cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2; exit 1; }
	mkdir -p $(FUZZ)/corpus
	cp crates/policy-engine/tests/mutations/*.xml $(FUZZ)/corpus/
	find ../shared/corpus/xml ../shared/corpus-random/xml -name '*.xml' -size -12k -exec cp -t $(FUZZ)/corpus {} + 2> /dev/null || true
	cd crates/policy-engine && RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(FUZZ)/build $(CARGO) fuzz run --sanitizer none --jobs $(FUZZ_JOBS) cib \
		$(FUZZ)/corpus -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=10 -dict=fuzz/cib.dict

.PHONY: deny
deny: ## licences, banned crates, sources and advisories of what the project depends on (needs cargo-deny)
	@./mk/deny.sh

.PHONY: check
check: packages ## formatting, lints and documentation, as CI does (installs what `make packages` does, saying so)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --workspace --all-targets --features dpe/otlp -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
