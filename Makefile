# Two commands are enough on a fresh machine: `make demo` and `make test`. Both set up what they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-test

# The kernels in Rust are optional. Where they can be built, the tests insist on them, and run a second time without.
CARGO        := $(and $(wildcard native/Cargo.toml),$(shell cargo --version >/dev/null 2>&1 && command -v cargo))
NATIVE       := $(if $(CARGO),$(VENV)/.installed-native,plain)
BACKEND      := $(if $(CARGO),rust,python)
KERNEL_TESTS := tests/facts tests/store $(wildcard tests/flow/test_*.py)

.PHONY: demo test lint lint-native native plain soak-store soak-flow bench bench-flow bench-crdt bench-hyper docs clean
.NOTPARALLEL:

demo: $(VENV)/.installed
	@$(MAKE) --no-print-directory native || echo "the kernels in Rust could not be built: the plain Python ones are used"
	@$(BIN)/rhizome demo

test: $(STAMP) native lint
	@RHIZOMEDB_BACKEND=$(BACKEND) $(BIN)/python -m pytest -n 2
ifneq ($(CARGO),)
	@RHIZOMEDB_BACKEND=python $(BIN)/python -m pytest -n 2 $(KERNEL_TESTS)
endif

lint: $(STAMP) lint-native
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Both tools can be missing where cargo is not.
lint-native: | $(VENV)/bin/python
ifneq ($(CARGO),)
	@cd native && if cargo fmt --version >/dev/null 2>&1; then cargo fmt --check; fi
	@cd native && if cargo clippy --version >/dev/null 2>&1; then \
		PYO3_PYTHON=$(abspath $(BIN)/python) cargo clippy --quiet --locked -- -D warnings; fi
endif

# Hours, not minutes. It goes on where it was stopped; less or elsewhere: SOAK="--kills 500".
soak-store: $(STAMP) native
	@$(BIN)/python tests/campaigns/soak.py $(SOAK)

# The same for the laws of the dataflow: SOAK="--pairs 500", or SOAK="--seed 7" for one seed again.
soak-flow: $(STAMP) native
	@$(BIN)/python tests/flow/soak.py $(SOAK)

bench: $(VENV)/.installed-bench native
	@$(BIN)/python -m bench

# The edit history of a text is read from the folder that RHIZOMEDB_BENCH_DATA names (see bench/flow/edits.py).
bench-flow: $(VENV)/.installed-bench native
	@$(BIN)/python -m bench flow

# Real editing histories are read from the same folder (see bench/crdt/traces.py).
bench-crdt: $(VENV)/.installed-bench native
	@$(BIN)/python -m bench crdt

# Beside the TypeScript reference, where node is installed and RHIZOMEDB_REFERENCE names the folder `dist` of a built checkout.
bench-hyper: $(VENV)/.installed-bench native
	@$(BIN)/python -m bench hyper

native: $(NATIVE)

plain:
	@echo "the kernels in Rust are not built here: the plain Python ones are used"

docs: $(VENV)/.installed
	@$(BIN)/python docs/generate.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "RhizomeDB needs Python 3.11 or newer")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "setting up (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(STAMP): pyproject.toml | $(VENV)/bin/python
	@echo "setting up for tests (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	@echo "setting up for benchmarks (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench-cozo]' || \
		echo "Cozo could not be installed: the benchmarks go on without it"
	@touch $@

$(VENV)/.installed-native: native/Cargo.toml native/Cargo.lock native/pyproject.toml $(wildcard native/src/*.rs native/src/*/*.rs) | $(VENV)/bin/python
	@echo "building the kernels in Rust (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall ./native
	@touch $@

clean:
	@rm -rf $(VENV) build dist native/target .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
