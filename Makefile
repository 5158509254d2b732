# Nothing here is needed to start: `go run ./cmd/bestie dev` and `go test ./...` work with Go alone.

GO     ?= go
TOOL    = $(GO) tool -modfile=tools/go.mod
FUZZ   ?= 30s
FOR    ?= 10m
SEEDS  ?= 1,2,3

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## a gateway with private stores and demo data, on this machine
	$(GO) run ./cmd/bestie dev

.PHONY: sim
sim: ## simulated mitras and customers against what `make run` runs
	$(GO) run ./cmd/bestie sim --mitras 200 --customers 50 --duration 30s

.PHONY: test
test: ## all tests with the race detector, on stores of their own
	$(GO) test -race -shuffle=on ./...

.PHONY: chaos
chaos: ## faults with their real durations, under load, for each seed of SEEDS=1,2,3 (about a quarter of an hour each)
	CHAOS=long CHAOS_SEED=$(SEEDS) $(GO) test -timeout 4h -parallel 2 -v -run '^TestChaos$$' ./cmd/bestie

.PHONY: chaos-money
chaos-money: ## paid sessions for 10 minutes (FOR=10m) while everything is killed and cut; the books must be level
	CHAOS_MONEY=$(FOR) $(GO) test -timeout 4h -v -run '^(TestChaosMoney|TestMoney_Interleavings)$$' ./cmd/bestie ./store/postgres

.PHONY: lint
lint: ## formatting, vet (Linux and macOS), staticcheck, unreachable code
	.ci/lint

.PHONY: fmt
fmt: ## format the code
	$(TOOL) gofumpt -w $(shell git ls-files '*.go')

.PHONY: bench
bench: ## benchmarks, once each
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-load
bench-load: ## the load generator against a gateway of its own (ARGS="-length 2s echo", ARGS=fleet)
	$(GO) run ./bench/cmd/load $(ARGS)

.PHONY: bench-peers
bench-peers: ## the gateway beside other servers, in turns, about 15 minutes; writes bench/RESULTS.md
	cd bench/peers && $(GO) run . $(ARGS)

.PHONY: bench-flood
bench-flood: ## what a flood of log-ins, sign-ins and handshakes does to heartbeats (ARGS="-rounds 1 -length 2s")
	$(GO) run ./bench/cmd/flood $(ARGS)

.PHONY: bench-diff
bench-diff: ## benchmarks of two commits compared: make bench-diff A=HEAD~1 B=HEAD
	.ci/bench-diff $(A) $(B) $(ROUNDS)

.PHONY: fuzz
fuzz: ## every fuzz test for FUZZ=30s
	.ci/fuzz $(FUZZ)

.PHONY: build
build: ## bin/bestie, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/bestie ./cmd/bestie

.PHONY: image
image: ## the container image
	docker build -t bestie-gateway .

.PHONY: check
check: ## what has to pass before a change goes in
	.ci/run
