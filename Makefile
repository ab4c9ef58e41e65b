# The one vocabulary of the project: a person, pre-commit and CI call the same targets.
#
#   make run      set everything up, then make a release from the default data and verify it
#   make test     set everything up, then run the tests
#   make check    format, lint, types, import contracts, and whether the policy was loosened without approvals
#   make prove    the slow proofs
#   make bench    side-by-side measurements against peers
#   make lock     resolve the requirement files anew
#   make clean    remove what the targets above made (the environments, caches and state; never a release)

PYTHON ?= python3
SHELL := /bin/bash
.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run test check format prove bench lock clean

BIN := .venv/bin
UV := .venv-tools/bin/uv --quiet
READY := .venv/.ready .venv-tools/.ready

# Compiled modules and one thread a process: both decide only how long things take.
unexport PYTHONDONTWRITEBYTECODE
export OMP_NUM_THREADS := 1
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
# A variable that names another project's environment would win over ours.
unexport VIRTUAL_ENV
export PATH := $(CURDIR)/$(BIN):$(PATH)

run: $(READY)
	@$(BIN)/python flows/release.py

test: $(READY)
	@$(BIN)/python -m pytest -m "not proof"

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/fairmark policy

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

prove: $(READY)
	@$(BIN)/python -m pytest -m proof -s

bench: export FAIRMARK_BENCH_PYTHON := $(CURDIR)/.venv-bench/bin/python
bench: $(READY) .venv-bench/.ready
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

# A mark of its own, set last: an install that is killed leaves a bin/uv that is cut off, and newer than its lock.
.venv-tools/.uv: requirements-uv.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"make: Python must be 3.11 or newer, got {v[0]}.{v[1]}; name another with: make PYTHON=python3.12")'
	@echo "setting up: uv"
	@$(PYTHON) -m venv --clear .venv-tools
	@.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

.venv-tools/.ready: requirements-tools.lock .venv-tools/.uv
	@echo "setting up: tools"
	@$(UV) pip install --python .venv-tools/bin/python --require-hashes -r requirements-tools.lock
	@touch $@

.venv-bench/.ready: requirements-bench.lock .venv-tools/.uv
	@echo "setting up: the peers that bench/ measures us against"
	@$(UV) venv --clear --python $(PYTHON) .venv-bench
	@$(UV) pip sync --python .venv-bench/bin/python --require-hashes --compile-bytecode requirements-bench.lock
	@touch $@

.venv/.ready: requirements.lock requirements-dev.lock pyproject.toml .venv-tools/.uv
	@echo "setting up: the locked environment (about half a minute)"
	@$(UV) venv --clear --python $(PYTHON) .venv
	@$(UV) pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock requirements-dev.lock
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

LOCK = $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header
lock: .venv-tools/.uv
	@$(LOCK) pyproject.toml -o requirements.lock >/dev/null
	@$(LOCK) --group dev -c requirements.lock -o requirements-dev.lock >/dev/null
	@$(LOCK) --group bench -c requirements.lock -o requirements-bench.lock >/dev/null
	@$(LOCK) --group tools -o requirements-tools.lock >/dev/null
	@$(LOCK) --group uv -o requirements-uv.lock >/dev/null

clean:
	@rm -rf .venv .venv-tools .venv-bench bench/out .mypy_cache .ruff_cache .hypothesis .prefect .fairmark mlflow.db mlflow.db-* .mlflow.db.* mlruns
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
