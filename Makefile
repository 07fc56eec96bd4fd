# Everything runs from a virtual environment in .venv, made on first use. Try: make demo
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 30
# Integration tests each talk to engines of their own; two workers keep two cores busy.
TEST_WORKERS ?= auto
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-compose bench lint format lock clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make the virtual environment (the other commands do it for you)

demo: $(VENV)/.ready ## Watch ticks flow through the whole pipeline; DEMO_SECONDS=10 makes it shorter
	@$(BIN)/stockpipe demo --seconds $(DEMO_SECONDS)

test: $(VENV)/.ready-dev ## Run the unit, integration, end-to-end and fault tests (no Docker needed)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal -m "not compose" $(PYTEST_ARGS)

test-compose: $(VENV)/.ready-dev ## Build the containers and test the whole stack on a real Docker engine
	ci/run-compose-tests $(PYTEST_ARGS)

bench: $(VENV)/.ready-dev ## Measure throughput, as ratios inside one run (some minutes)
	$(BIN)/python -m bench.flow
	$(BIN)/python -m bench.query

lint: $(VENV)/.ready-dev ## Ruff and mypy (strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.ready-dev ## Let Ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.ready-dev ## Resolve the dependencies again and write the lock files
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--upgrade pyproject.toml --group dev -o requirements-dev.lock
	echo uv | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate -c requirements.lock - -o requirements-uv.lock

clean: ## Remove the virtual environment and what tests and tools left in this folder
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis test-results

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "stockpipe needs Python 3.11 or newer; '$(PYTHON)' is not one. Try: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf $(VENV); exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

# The project's own package is installed in place, without asking an index for its build backend: the lock has it.
$(VENV)/.ready: $(VENV)/.venv requirements.lock pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@
