# Everything that a developer does with this repository. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
MODULE := github.com/coxswain-hpc/coxswain
# RELEASE=1 leaves no path of the building machine in the binary; without it the build shares the
# compiled packages with the tests.
STATIC := CGO_ENABLED=0 go build $(if $(RELEASE),-trimpath)

# Stamped by -X below; the working tree's state is in VERSION already.
export GOFLAGS := $(strip $(filter-out -buildvcs=%,$(GOFLAGS)) -buildvcs=false)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install-deps
install-deps: ## Install what cox needs to run (PostgreSQL's programs) from Debian
	scripts/install-deps.sh run

STAMP := -s -w -X $(MODULE)/cli.Version=$(VERSION) -X $(MODULE)/cli.Commit=$(COMMIT)

.PHONY: build
build: ## Build bin/cox, with cox-shim and the daemons embedded
	mkdir -p bin
	$(STATIC) -ldflags "-s -w" -o kubelet/shim/bin/cox-shim ./kubelet/shim/cox-shim
	$(STATIC) -ldflags "$(STAMP)" -o cli/embedded/bin/coxd ./cli/coxd
	$(STATIC) -ldflags "$(STAMP)" -o bin/cox ./cli/cox

.PHONY: demo
demo: ## Run a real parameter sweep on a cluster of one machine
	scripts/install-deps.sh demo
	$(MAKE) build
	scripts/demo.sh

.PHONY: test
test: ## Vet and test everything (PKG=./... RUN=)
	scripts/install-deps.sh test
	$(MAKE) build
	CGO_ENABLED=0 go vet $(PKG)
	CGO_ENABLED=0 go test -count=1 -p 2 -timeout 30m $(if $(RUN),-run '$(RUN)') $(PKG)

PKG ?= ./...
RUN ?=

.PHONY: lint
lint: ## Run golangci-lint with .golangci.yml (PKG=./...)
	scripts/tool.sh golangci-lint
	.bin/golangci-lint run $(PKG)

.PHONY: generate
generate: ## Regenerate all committed generated files
	scripts/generate.sh

.PHONY: verify
verify: ## Fail when generated files or go.mod are stale
	scripts/verify.sh

.PHONY: bench
bench: build ## Measure, and print RESULT lines (PEERS=folder with the peers' scripts)
	PEERS="$(PEERS)" scripts/bench.sh

PEERS ?= ../shared/bench

.PHONY: sim
sim: ## Simulate the cluster under faults (SEED= replays one, N= seeds)
	SEED="$(SEED)" N="$(N)" go test -count=1 -timeout 60m -tags invariants -run Sim ./internal/sim

SEED ?=
N ?=

.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME (30s)
	scripts/fuzz.sh $(FUZZTIME)

FUZZTIME ?= 30s

.PHONY: deflake
deflake: ## Repeat tests under the race detector until one fails (PKG= RUN= TIMES=50)
	go test -race -failfast -count=$(TIMES) $(if $(RUN),-run '$(RUN)') $(PKG)

TIMES ?= 50

.PHONY: chaos
chaos: build ## Kill server, kubelet and Postgres KILLS (200) times under a running array (SEED=1)
	go test -count=1 -v -timeout 120m -run Kill ./test/crash -kills $(or $(KILLS),200) -seed $(or $(SEED),1)

.PHONY: quality e2e-vm
quality: ## Scheduling quality on public traces
	@echo "not available: the scheduling quality suite is not built yet" >&2; exit 2
e2e-vm: ## The cluster on virtual machines with other kernels and cgroup versions
	@echo "not available: the virtual machine suite is not built yet" >&2; exit 2

.PHONY: e2e-gpu
e2e-gpu: ## Tests on a real GPU
	@if [ ! -e /dev/nvidiactl ]; then echo "not run: no GPU" >&2; \
	else echo "not available: the GPU suite is not built yet" >&2; fi; exit 2

.PHONY: clean
clean: ## Remove what build made (tools in .bin stay)
	rm -rf bin kubelet/shim/bin/cox-shim cli/embedded/bin/coxd
