# Fairlead: make alone lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help

GO            ?= go
BUILD         := $(CURDIR)/build
BIN           := $(BUILD)/bin
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS       := -s -w -X main.version=$(VERSION)
LINT_VERSION  := v2.15.0
LINT          := $(BIN)/golangci-lint-$(LINT_VERSION)
LOKI          := $(BIN)/loki
API           ?= 127.0.0.1:7700
ROUTER        ?= 127.0.0.1:7780
TEST_PACKAGES ?= ./...
BUNDLES       ?= agent/eval/testdata
export CGO_ENABLED ?= 0
export PATH := /usr/local/go/bin:/usr/lib/go/bin:$(PATH)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z_-]+:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the binary into build/bin
	@mkdir -p $(BIN)
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/fairlead ./cmd/fairlead

.PHONY: needs
needs: ## find or install what Fairlead needs: Docker Engine, Postgres, git
	@deploy/needs.sh

.PHONY: images
images: needs ## the example's base image, pulled, or made from packages where no registry answers
	@deploy/images/ensure.sh python:3.11-slim

# Loki's server is AGPL: it is built in a module of its own and runs beside Fairlead. LOKI_BIN=path uses another one.
.PHONY: loki
loki: ## build the Loki server that the tests run against (five minutes, once)
	@deploy/loki/build.sh $(LOKI)

.PHONY: needs-test
needs-test: loki
	@deploy/needs.sh docker postgres-binaries git gcc prometheus chromium
	@deploy/images/ensure.sh python:3.11-slim

.PHONY: needs-demo
needs-demo:
	@deploy/needs.sh docker postgres-binaries git
	@deploy/images/ensure.sh python:3.11-slim

.PHONY: demo
demo: build needs-demo ## walk the main job from nothing to its last line, and clean up
	@$(GO) build -o $(BIN)/fairlead-demo ./cmd/fairlead-demo
	@$(BIN)/fairlead-demo -fairlead $(BIN)/fairlead -example deploy/examples/model-api

.PHONY: up
up: build needs ## start Fairlead for daily use (API=host:port ROUTER=host:port change the addresses)
	@$(BIN)/fairlead server --detach --api $(API) --router $(ROUTER)

.PHONY: down
down: build ## stop Fairlead; what it deployed keeps its data
	@$(BIN)/fairlead server stop

# -count=1: the engine and the database are no part of the test cache's key.
.PHONY: test
test: needs-test vet lint ## run every test, with the race detector
	CGO_ENABLED=1 GORACE='suppressions=$(CURDIR)/.ci/race.suppressions' $(GO) test -race -count=1 -timeout 30m $(TEST_PACKAGES)

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: $(LINT) ## golangci-lint v2
	$(LINT) run --allow-parallel-runners ./...

$(LINT):
	@mkdir -p $(BIN)
	@echo "building golangci-lint $(LINT_VERSION) (about a minute, once)"
	@GOBIN=$(BUILD)/lint $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(BUILD)/lint/golangci-lint $(LINT)

.PHONY: fmt
fmt: $(LINT) ## format the code
	$(LINT) fmt ./...

.PHONY: golden
golden: ## write the golden files anew
	$(GO) test ./platform/blueprint ./platform/httpapi ./prompts ./mcp ./cmd/fairlead/cli -update

.PHONY: bench
bench: build needs-demo ## deploy overhead: image built to traffic shifted, less the engine's and the application's own time
	@$(GO) build -o $(BIN)/fairlead-demo ./cmd/fairlead-demo
	@$(BIN)/fairlead-demo -fairlead $(BIN)/fairlead -out $(BUILD)/bench/deploy.json bench

.PHONY: bench-logs
bench-logs: build needs-test ## log figures beside Loki's: latency, throughput, searches over ten million lines, disk, memory
	@$(GO) build -o $(BIN)/fairlead-demo ./cmd/fairlead-demo
	@$(BIN)/fairlead-demo -fairlead $(BIN)/fairlead -out $(BUILD)/bench/logs.json -limit 1h bench-logs

# BUNDLES=DIR explains other bundles, FAULTS=name,name plays some scenarios, LOGHUB_DIR=DIR scores the template miner too.
.PHONY: eval
eval: build needs-demo ## score the diagnoses: every bundle, and real faults in real containers (a quarter of an hour)
	@$(GO) build -o $(BIN)/fairlead-demo ./cmd/fairlead-demo
	@$(BIN)/fairlead-demo -fairlead $(BIN)/fairlead -limit 1h -bundles "$(BUNDLES)" -loghub "$(LOGHUB_DIR)" -only "$(FAULTS)" -out $(BUILD)/bench/eval.json eval

.PHONY: eval-bundles
eval-bundles: ## of these, the bundles alone (seconds)
	@mkdir -p $(BIN)
	@$(GO) build -o $(BIN)/fairlead-demo ./cmd/fairlead-demo
	@$(BIN)/fairlead-demo -bundles "$(BUNDLES)" -loghub "$(LOGHUB_DIR)" -out $(BUILD)/bench/eval-bundles.json eval-bundles

.PHONY: eval-faults
eval-faults: build needs-demo ## of these, the real faults alone (FAULTS=name,name plays some)
	@$(GO) build -o $(BIN)/fairlead-demo ./cmd/fairlead-demo
	@$(BIN)/fairlead-demo -fairlead $(BIN)/fairlead -limit 1h -only "$(FAULTS)" -out $(BUILD)/bench/eval-faults.json eval-faults

.PHONY: vulncheck
vulncheck: ## govulncheck (needs its database on the network)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...

.PHONY: clean
clean: ## remove what was built, and stop the Postgres that tests share
	-@$(GO) run ./platform/store/storetest/stop
	rm -rf $(BUILD)
