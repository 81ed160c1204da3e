# The one command set: people and CI call the same targets. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST_SOURCES := $(shell find rust -name fuzz -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print 2>/dev/null) Cargo.toml Cargo.lock \
  $(shell find proto -name '*.proto')
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r

.PHONY: help demo test lint format bench fuzz valgrind loom proto lock clean setup check-tools test-rust test-python

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.native  ## virtual environment, pinned dependencies, the Rust extension

demo: setup  ## two models, one corpus, one verdict: writes demo/report.html and demo/report.json
	$(BIN)/python -m demo.run

test: lint test-rust test-python  ## every check and test, Rust and Python

test-rust: check-tools
	cargo test --workspace --exclude crossfade-py --locked

test-python: $(VENV)/.dev $(VENV)/.native
	$(BIN)/python -m pytest --durations=15

lint: $(VENV)/.dev $(VENV)/.native  ## ruff, mypy --strict, stubtest, rustfmt, clippy -D warnings
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest crossfade._native --mypy-config-file pyproject.toml

format: $(VENV)/.dev  ## rewrite the sources as `make lint` wants them
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench $(VENV)-infinity/.installed $(VENV)/.native  ## this project and its peers in the same run; ARGS='kernels -k f32' for some
	$(BIN)/python -m bench $(ARGS)

VALGRIND_CASES ?= 3
VALGRIND_ARGS ?=

# A minute in all by default; `make fuzz FUZZ_SECONDS=600` looks harder.
FUZZ_SECONDS ?= 20
fuzz:  ## parsers on any bytes (needs a nightly toolchain and cargo-fuzz)
	@cargo +nightly fuzz --version >/dev/null 2>&1 \
	  || { echo 'make fuzz needs: rustup toolchain install nightly && cargo install cargo-fuzz' >&2; exit 1; }
	cd rust/metrics && for target in $$(cargo +nightly fuzz list); do \
	  mkdir -p fuzz/corpus/$$target; \
	  cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1; \
	done

# Valgrind shows no AVX-512 to what it runs: this is the portable and the AVX2 code, and the pool of threads.
valgrind:  ## the kernels' unsafe code under valgrind (needs valgrind; under a minute)
	@command -v valgrind >/dev/null || { echo 'make valgrind needs valgrind: apt-get install valgrind' >&2; exit 1; }
	@tests=$$(cargo test -p crossfade-kernels --lib --no-run --locked --message-format=json | \
	  python3 -c 'import json, sys; print(*(line["executable"] for line in map(json.loads, sys.stdin) if line.get("executable")))'); \
	PROPTEST_CASES=$(VALGRIND_CASES) valgrind --quiet --error-exitcode=1 --fair-sched=yes $$tests --test-threads=1 $(VALGRIND_ARGS)

loom:  ## every order in which threads may meet at the serving queue (a minute or two)
	RUSTFLAGS='--cfg crossfade_loom' CARGO_TARGET_DIR=target/loom LOOM_MAX_PREEMPTIONS=3 \
	  cargo test --release --locked -p crossfade-server --lib interleavings

proto: $(VENV)/.dev  ## regenerate the stubs from proto/: Python's, and Go's where go is on PATH
	scripts/generate_proto.sh
	@if command -v go >/dev/null; then scripts/generate_go.sh; else echo 'no go on PATH: tests/go_client stays as it is' >&2; fi

lock:  ## resolve requirements/*.in again (needs uv)
	scripts/lock.sh

clean:  ## remove everything that the other targets made
	rm -rf $(VENV) $(VENV)-infinity target rust/metrics/fuzz/target dist demo/work demo/report.html demo/report.json bench/work .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
	rm -f python/crossfade/_native*.so

check-tools:
	@scripts/check_tools.sh "$(PYTHON)"

# Each stamp says: what the lock (or the Rust source) of that date asks for is installed.
$(VENV)/.runtime: requirements/runtime.lock | check-tools
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing pinned dependencies ...' >&2
	$(PIP_INSTALL) requirements/runtime.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	@echo 'installing test and lint tools ...' >&2
	$(PIP_INSTALL) requirements/dev.lock
	@touch $@

$(VENV)/.bench: requirements/bench.lock $(VENV)/.dev
	@echo 'installing peers ...' >&2
	$(PIP_INSTALL) requirements/bench.lock
	cargo fetch --quiet --locked
	@touch $@

# A peer whose dependencies are older than everybody else's.
$(VENV)-infinity/.installed: requirements/infinity.lock | check-tools
	test -x $(VENV)-infinity/bin/python || $(PYTHON) -m venv $(VENV)-infinity
	@echo 'installing infinity-emb ...' >&2
	$(VENV)-infinity/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

$(VENV)/.native: $(VENV)/.runtime pyproject.toml $(RUST_SOURCES)
	@echo 'building the Rust extension ...' >&2
	VIRTUAL_ENV=$(abspath $(VENV)) PIP_QUIET=1 $(BIN)/maturin develop --release --locked --quiet
	@touch $@
