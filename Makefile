# The one vocabulary of the project: a person, pre-commit and CI call the same targets.
#
#   make run      set everything up, then make a release from the default data and verify it
#   make demo     serve a release on this machine, and watch it through a canary, a drift, an objection and a retrain
#   make test     set everything up, then run the tests
#   make check    format, lint, types, import contracts, and whether the policy was loosened without approvals
#   make prove    the slow proofs
#   make record   write anew what tests/recorded holds (bytes of the stages, faces of the verbs), and show its diff
#   make fuzz     hostile bytes for every parser of foreign files, for some minutes
#   make bench    side-by-side measurements against peers
#   make audit    bandit, zizmor, pip-audit and gitleaks (the last two need the network, and gitleaks on PATH)
#   make workflows  the schema of the workflows, their linter, zizmor, and shellcheck on what they run
#   make terraform  format, validity, tests with a mocked provider, checkov and the IAM policies of terraform/
#   make image    build an image with podman, buildah or docker, whichever is there (TARGET, IMAGE, RELEASE)
#   make lock     resolve the requirement files anew
#   make wheels   list anew what the wheels of the locks install (once for each kind of machine)
#   make clean    remove what the targets above made (the environments, caches and state; never a release)

PYTHON ?= python3
SHELL := /bin/bash
.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run demo test check format schemas prove record fuzz bench audit workflows terraform image lock wheels clean

BIN := .venv/bin
UV := .venv-tools/bin/uv --quiet
# Only archives with a hash of the lock, and of these only wheels: no build, which would run what nothing names.
LOCKED := --require-hashes --only-binary :all:
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

demo: $(READY)
	@$(BIN)/python flows/demo.py

test: $(READY)
	@$(BIN)/python -m pytest -m "not proof" -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/fairmark policy

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schemas: $(READY)
	@$(BIN)/python -m fairmark.schemas docs/schemas

prove: $(READY)
	@$(BIN)/python -m pytest -m proof -s

record: export FAIRMARK_RECORD := 1
record: $(READY)
	@$(BIN)/python -m pytest tests/test_pipeline.py tests/test_cli_recorded.py -k "on_record"
	@git --no-pager diff --stat tests/recorded

fuzz: export FAIRMARK_FUZZ ?= 3000
fuzz: $(READY)
	@$(BIN)/python -m pytest tests/test_fuzz.py tests/test_release_archive_readers.py

bench: export FAIRMARK_BENCH_PYTHON := $(CURDIR)/.venv-bench/bin/python
bench: $(READY) .venv-bench/.ready
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

# A mark of its own, set last: an install that is killed leaves a bin/uv that is cut off, and newer than its lock.
.venv-tools/.uv: requirements-uv.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"make: Python must be 3.11 or newer, got {v[0]}.{v[1]}; name another with: make PYTHON=python3.12")'
	@echo "setting up: uv"
	@$(PYTHON) -m venv --clear .venv-tools
	@.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check $(LOCKED) -r requirements-uv.lock
	@touch $@

.venv-tools/.ready: requirements-tools.lock .venv-tools/.uv
	@echo "setting up: tools"
	@$(UV) pip install --python .venv-tools/bin/python $(LOCKED) -r requirements-tools.lock
	@touch $@

.venv-bench/.ready: requirements-bench.lock .venv-tools/.uv
	@echo "setting up: the peers that bench/ measures us against"
	@$(PYTHON) -m venv --clear --without-pip .venv-bench
	@$(UV) pip sync --python .venv-bench/bin/python $(LOCKED) --compile-bytecode requirements-bench.lock
	@touch $@

.venv/.ready: requirements.lock requirements-dev.lock requirements.wheels pyproject.toml .venv-tools/.uv
	@echo "setting up: the locked environment (about half a minute)"
	@$(PYTHON) -m venv --clear --without-pip .venv
	@$(UV) pip sync --python $(BIN)/python $(LOCKED) --compile-bytecode requirements.lock requirements-dev.lock
	@$(UV) pip install --python $(BIN)/python --offline --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv-security/.ready: requirements-security.lock .venv-tools/.uv
	@echo "setting up: what looks for known faults"
	@$(PYTHON) -m venv --clear --without-pip .venv-security
	@$(UV) pip sync --python .venv-security/bin/python $(LOCKED) requirements-security.lock
	@touch $@

# Each says what it finds and fails; what can't be asked (no network, no gitleaks) fails too.
AUDITED := requirements.lock requirements-dev.lock requirements-tools.lock requirements-uv.lock requirements-security.lock
audit: .venv-security/.ready
	@.venv-security/bin/bandit --quiet --recursive -ll --configfile pyproject.toml src flows
	@.venv-security/bin/zizmor --quiet --offline .github
	@for lock in $(AUDITED); do .venv-security/bin/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; done
	@gitleaks git --no-banner --redact .

.venv-delivery/.ready: requirements-delivery.lock .venv-tools/.uv
	@echo "setting up: what checks workflows, Terraform and images"
	@$(PYTHON) -m venv --clear --without-pip .venv-delivery
	@$(UV) pip sync --python .venv-delivery/bin/python $(LOCKED) requirements-delivery.lock
	@touch $@

# The wheel is made by the main environment, which has what builds it; a Space has not.
.venv-space/.ready: requirements-space.lock .venv/.ready
	@echo "setting up: the environment of the Space"
	@$(PYTHON) -m venv --clear --without-pip .venv-space
	@$(UV) pip sync --python .venv-space/bin/python $(LOCKED) --compile-bytecode requirements-space.lock
	@$(UV) build --wheel --no-build-isolation --offline --python $(BIN)/python --out-dir .venv-space/wheel .
	@$(UV) pip install --python .venv-space/bin/python --offline --no-index --no-deps .venv-space/wheel/*.whl
	@touch $@

DELIVERY := .venv-delivery/bin
workflows: .venv-delivery/.ready .venv-security/.ready
	@$(DELIVERY)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(DELIVERY)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@$(DELIVERY)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(DELIVERY)/actionlint -shellcheck $(DELIVERY)/shellcheck .github/workflows/*.yml
	@$(DELIVERY)/shellcheck .ci/run .github/actions/*/*.sh
	@.venv-security/bin/zizmor --quiet --offline --no-progress .github

# The lock of the providers is kept as it is: a hash that it does not name is refused.
terraform: .venv-delivery/.ready
	@terraform -chdir=terraform fmt -check -recursive
	@terraform -chdir=terraform init -backend=false -input=false -lockfile=readonly >/dev/null
	@terraform -chdir=terraform validate
	@terraform -chdir=terraform test
	@$(DELIVERY)/checkov --directory terraform --config-file terraform/.checkov.yaml

# The first of the three that is there; its own options (another root, another base) come by BUILD_OPTIONS. OCI's form of
# an image has no health check, so podman and buildah are asked for Docker's. What is built is written to IMAGES with its
# bill of materials and its provenance, signed by your key: `fairmark verify` checks it, and skopeo pushes it as it is.
CONTAINER ?= $(firstword $(foreach each,podman buildah docker,$(if $(shell command -v $(each)),$(each))))
TARGET ?= service
IMAGE ?= fairmark:$(TARGET)
IMAGES ?= images
RELEASE ?=
image: .venv/.ready
	@test -n "$(CONTAINER)" || { echo "make image: needs podman, buildah or docker, got none of them on PATH" >&2; exit 1; }
	@$(CONTAINER) build $(if $(findstring docker,$(notdir $(CONTAINER))),,--format docker) --file Dockerfile --target $(TARGET) --tag $(IMAGE) $(BUILD_OPTIONS) \
		--label org.opencontainers.image.revision="$$(git rev-parse HEAD)" \
		--label org.opencontainers.image.version="$(or $(notdir $(RELEASE)),unreleased)" \
		--build-arg VERSION="$(or $(notdir $(RELEASE)),unreleased)" --build-arg RELEASE="$(RELEASE)" .
	@$(BIN)/python -m fairmark.release.image $(IMAGE) --engine $(CONTAINER) --target $(TARGET) --into $(IMAGES)/fairmark-$(TARGET)
	@$(BIN)/fairmark verify $(IMAGES)/fairmark-$(TARGET)

LOCK = UV_FIND_LINKS=$(CURDIR)/wheels $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --only-binary :all:
# The first lines of a lock: whoever installs from it, by pip or uv, builds nothing.
SEAL = { printf -- '--only-binary :all:\n-f ./wheels\n'; cat $$lock; } > $$lock.new && mv $$lock.new $$lock
# The extra alone: by its name uv would list what fairmark itself requires a second time.
SERVE = import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*(d for d in p["dependencies"] if not d.startswith(("pandas", "pyarrow"))), *p["optional-dependencies"]["serve"], sep="\n")
DEV = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"], sep="\n")
lock: .venv-tools/.uv
	@$(LOCK) pyproject.toml --extra flows --extra cluster --extra hsm --extra serve --extra watch --extra export -o requirements.lock >/dev/null
	@$(PYTHON) -c '$(DEV)' | $(LOCK) - -c requirements.lock -o requirements-dev.lock >/dev/null
	@$(PYTHON) -c '$(SERVE)' | $(LOCK) - -c requirements.lock -o requirements-serve.lock >/dev/null
	@$(LOCK) --group bench -c requirements.lock -o requirements-bench.lock >/dev/null
	@$(LOCK) --group tools -o requirements-tools.lock >/dev/null
	@$(LOCK) --group build -c requirements.lock -o requirements-build.lock >/dev/null
	@$(LOCK) --group delivery -o requirements-delivery.lock >/dev/null
	@$(LOCK) pyproject.toml --extra space -o requirements-space.lock >/dev/null
	@$(LOCK) --group security -o requirements-security.lock >/dev/null
	@$(LOCK) --group uv -o requirements-uv.lock >/dev/null
	@for lock in requirements*.lock; do $(SEAL); done

# What each wheel of the locks installs, for the kind of machine that this is: a check needs no network then.
wheels: .venv-tools/.uv
	@mkdir -p .wheels
	@.venv-tools/bin/python -m pip download --quiet --disable-pip-version-check --no-deps $(LOCKED) \
		-d .wheels -r requirements.lock -r requirements-dev.lock
	@PYTHONPATH=src $(PYTHON) -m fairmark.release.sbom.requirements .wheels

clean:
	@rm -rf .venv .venv-tools .venv-bench .venv-security .venv-delivery .venv-space .wheels bench/out .mypy_cache .ruff_cache .hypothesis .prefect .fairmark mlflow.db mlflow.db-* .mlflow.db.* mlruns
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
