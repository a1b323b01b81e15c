# Virtual Loader. `make` alone lists the targets.

GO          ?= go
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
export CGO_ENABLED ?= 0

# The folders under testdata hold Go programs too; `./...` does not see them.
LAB       = ./testdata/kernel/...
PACKAGES  = ./... $(LAB) ./testdata/interop ./testdata/bench/...
PLATFORMS = linux/amd64 linux/arm64 windows/amd64 windows/arm64 darwin/amd64 darwin/arm64

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the service and the command line into bin/
	$(GO) build -o bin/ ./cmd/...

.PHONY: run
run: build ## start the service and see the main job run
	@./packaging/run.sh

.PHONY: test
test: deps lint unit cross kernel ## everything that must pass: lint, unit tests with the race detector, other platforms, a real Linux kernel

.PHONY: deps
deps:
	@./packaging/deps.sh test

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { gofmt -l $$(git ls-files -co --exclude-standard '*.go'); echo "these files want gofmt -w"; exit 1; }
	$(GO) vet $(PACKAGES)
	$(GO) run $(STATICCHECK) $(PACKAGES)

.PHONY: unit
unit: ## unit tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 10m ./...

.PHONY: cross
cross: ## build for every platform we promise
	@for p in $(PLATFORMS); do \
		echo "build $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/... ./loader/... ./driver/... ./slotmap/... || exit 1; \
	done

.PHONY: kernel
kernel: deps ## the real Linux st, sg, ch and iSCSI drivers in User-Mode Linux, with mtx, mt, tar and sg3_utils
	$(GO) test -count 1 -timeout 20m -v $(LAB)

.PHONY: interop
interop: ## Bacula, Amanda, btape, all of sg3_utils and libiscsi's target tests against the service
	@./packaging/deps.sh interop
	$(GO) test -count 1 -timeout 40m -v ./testdata/interop

.PHONY: fuzz
fuzz: ## ten million mutated PDUs, then fuzz every decoder for FUZZTIME each (default 1m)
	VLOADER_PDUS=$${PDUS:-10000000} $(GO) test -count 1 -v -timeout 3h -run '^TestMutatedPDUs$$' ./driver/iscsi
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
			echo "fuzz $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $${FUZZTIME:-1m} $$p || exit 1; \
		done; \
	done

.PHONY: soak
soak: deps ## the long variants: 200 kills in a write stream, the long kernel scenarios
	VLOADER_LONG=1 CGO_ENABLED=1 $(GO) test -count 1 -timeout 60m ./...
	VLOADER_LONG=1 $(GO) test -count 1 -timeout 60m -v $(LAB)

.PHONY: bench
bench: build ## throughput beside tgtd in the same run, and the medium's own figures
	@./packaging/deps.sh bench
	$(GO) run ./testdata/bench
	$(GO) test -run '^$$' -bench . -benchtime 1s ./loader/tape ./slotmap ./loader

.PHONY: clean
clean: ## remove what the build made
	rm -rf bin artifacts
