# Every target is one command; the logic is in the programs they call.
BIN     := bin/lockstep
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X lockstep/internal/cli.version=$(VERSION)
GO      ?= go

.DEFAULT_GOAL := help
.PHONY: help demo build test race fuzz bench bench-scim lint generate clean

help: ## show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

build: ## build bin/lockstep
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/lockstep

# In a terminal the demo goes on serving until Ctrl-C; in a script it ends with
# the summary. DEMO passes flags: make demo DEMO='--people 2000'.
demo: build ## provision a sample company into a local Freshservice stand-in and explain what happened
	@if [ -t 1 ]; then exec $(BIN) demo $(DEMO); else exec $(BIN) demo --once $(DEMO); fi

test: ## run the whole test suite
	$(GO) test $(TESTFLAGS) ./...

race: ## run the whole test suite with the race detector
	$(GO) test -race $(TESTFLAGS) ./...

fuzz: ## fuzz every parser for FUZZTIME each (default 20s)
	@FUZZTIME=$(or $(FUZZTIME),20s) GO=$(GO) ./scripts/fuzz

bench: ## run the benchmarks, with the whole-job figures among them (BENCH selects)
	$(GO) test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem -p 1 -timeout 60m ./...

bench-scim: ## put load on the SCIM service and compare it with a bare server (USERS, ROUNDS, SECONDS_EACH)
	@GO=$(GO) ./scripts/bench-scim

lint: ## check formatting, vet and the linter's rules
	@test -z "$$(gofmt -l cmd internal)" || { gofmt -l cmd internal; echo 'run gofmt -w on these files' >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod golangci-lint run

generate: ## refresh generated files
	$(GO) generate ./...

clean: ## remove what was built
	rm -rf bin
