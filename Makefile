# Everything bootstraps itself: all that is needed is a python3 between 3.10 and 3.14.
#
#   make demo                   watch two sides become the same, on this machine only
#   make demo CONTACTS=20000    the same with more contacts a side
#   make test                   all checks and all tests
#   make bench                  how fast it is, up to a million contacts a side (make bench-quick)

PYTHON ?= python3
CONTACTS ?= 1000
TESTS ?=
# Tests wait for servers and databases: some more than there are processors.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 3 // 2)')

UV_VERSION := 0.13.9
BIN := .venv/bin
UV := .tools/bin/uv
LINTED := .
PEERS := .bench/peers
PROJECTS := $(sort $(wildcard */pyproject.toml))

# A shell with these set makes every Python start slowly, or changes what it imports.
unexport PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONPATH PYTHONHOME VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup demo test nightly bench bench-quick profile lint format lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready ## a virtual environment with the workspace and everything its checks need

demo: setup ## run the job on CONTACTS contacts a side and show what it did
	@$(BIN)/python demo/run.py --contacts $(CONTACTS)

test: lint ## all checks, then all tests (TESTS="tests/reconciler -k phone" narrows it)
	@echo "== pytest"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

nightly: setup ## thousands of random histories, fourteen rules broken on purpose; about an hour
	@TEST_NIGHTLY=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests/reconciler tests/operator
	@TEST_NIGHTLY=1 $(BIN)/python -m pytest -n $(WORKERS) -m nightly tests/pipelines tests/examples
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests/properties
	@$(BIN)/python -m tests.properties.switchboard
	@$(BIN)/python tests/properties/mutations.py

bench: setup $(PEERS)/.ready ## measure everything, renew docs/performance.md; about half an hour
	@$(BIN)/python -m benchmarks --page docs/performance.md

bench-quick: setup $(PEERS)/.ready ## the same with few contacts; two minutes
	@$(BIN)/python -m benchmarks --size quick

profile: setup $(PEERS)/.ready ## where the time goes: renew docs/profile-*.svg
	@$(BIN)/python -m benchmarks.profiles

lint: setup ## ruff and mypy
	@echo "== ruff check"
	@$(BIN)/ruff check $(LINTED)
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check $(LINTED)
	@echo "== mypy"
	@$(BIN)/mypy

format: setup ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix $(LINTED)
	@$(BIN)/ruff format $(LINTED)

# uv.lock stays out of the repository, it names the registry; the file beside it does not.
lock: $(UV) ## renew requirements.lock, benchmarks/peers.lock and what the examples install
	@$(UV) lock --quiet
	@$(UV) export --quiet --locked --all-packages --all-groups --all-extras --no-header --no-annotate \
		--output-file requirements.lock
	@for lock in benchmarks/peers.lock $(wildcard examples/*/requirements.txt); do \
		$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
			--no-python-downloads --python-version 3.10 $${lock%.*}.in --output-file $$lock; \
	done

clean: ## remove what was built, installed and left behind by runs
	rm -rf .venv .tools .bench .meltano .sandbox dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f output/*

$(UV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 14) else \
		"Python 3.10 to 3.14 is needed, $(PYTHON) is %d.%d. Name another one: make setup PYTHON=python3.13" % v)'
	@echo "== tools"
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.ready: $(UV) requirements.lock pyproject.toml VERSION $(PROJECTS)
	@echo "== packages"
	@test -x $(BIN)/python || $(UV) venv --quiet --no-python-downloads --python .tools/bin/python .venv
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	@touch $@

$(PEERS)/.ready: $(UV) benchmarks/peers.lock
	@echo "== peers of the benchmarks"
	@test -x $(PEERS)/bin/python || $(UV) venv --quiet --no-python-downloads --python .tools/bin/python $(PEERS)
	@$(UV) pip sync --quiet --compile-bytecode --python $(PEERS)/bin/python benchmarks/peers.lock
	@touch $@
