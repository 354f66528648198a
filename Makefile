# The front door. `make help` lists what there is; tools/ holds the longer recipes.
MAKEFLAGS += --no-print-directory
.PHONY: help build run test conformance soak bench bench-full bench-micro fuzz fmt fresh deps
help:  ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1#\2/p' Makefile | awk -F'#' '{ printf "%-18s %s\n", $$1, $$2 }'

build: deps  ## Build the release: build/release/shoal and build/release/shoal-worker
	@tools/build release shoal shoal-worker

run: build  ## Build and run the example fleet in the foreground; Ctrl-C stops it
	@exec tools/run

test:  ## Build with sanitizers, run unit and end-to-end tests, smoke-test the release build
	@tools/test

conformance: deps  ## Write docs/conformance.md: which statement of the standards is shown by which tests
	@tools/conformance

soak:  ## The end-to-end tests that load the machine; attacks with sanitizers too; 500 crashes (minutes)
	@tools/test soak

bench:  ## Shoal beside mosquitto, measured by `shoal bench`: one round, on a quiet machine (5 minutes)
	@tools/install-deps build check
	@tools/build release shoal shoal-worker
	@bench/compare.py

bench-full:  ## The same in 5 rounds, also with two reactors and with a store; into bench/results (half an hour)
	@tools/install-deps build check
	@tools/build release shoal shoal-worker
	@bench/compare.py --full --rounds 5 --threads 1,2 --persistence crash_safe --write bench/results

bench-micro:  ## Benchmarks of single functions: decode, encode, match, deliver
	@tools/install-deps build check
	@tools/build release micro_bench
	@build/release/bench/micro_bench

fuzz:  ## Fuzz the parsers for FUZZ_SECONDS each (60)
	@tools/install-deps build fuzz
	@tools/fuzz

fmt:  ## Format the C++ sources
	@tools/install-deps fmt
	@git ls-files '*.cpp' '*.hpp' | xargs -r clang-format -i

fresh:  ## What a newcomer does: an empty Debian 12, clone, make run, make test (root)
	@tools/install-deps fresh
	@tools/fresh

deps:
	@tools/install-deps build
