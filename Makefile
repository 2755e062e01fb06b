# Everything a person or the CI does here. Needs Python 3.11 or 3.12 with pip; no Redis, no Docker, no root.
# `make test` and `make demo` on a fresh clone set everything up first; later runs start at once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# Written when the last installation of what pyproject.toml asks for succeeded.
INSTALLED := $(VENV)/.installed

# Where it is set, each of the few hundred processes that tests start would compile flowq again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# pip arrives last, so a venv that was interrupted half-way is made again.
$(BIN)/pip:
	@for python in $${PYTHON:-python3 python3.12 python3.11}; do
		# Run it: a pyenv shim is on PATH also when no such Python is installed.
		if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
			echo "Making $(VENV) with $$("$$python" --version)"
			# Debian's python3 lacks ensurepip until python3-venv is installed; its pip can fill a venv all the same.
			"$$python" -m venv --clear $(VENV) >/dev/null 2>&1 || {
				"$$python" -m venv --clear --without-pip $(VENV)
				"$$python" -m pip --python $(BIN)/python install --quiet pip
			}
			exit 0
		fi
	done
	echo "flowq needs Python 3.11 or 3.12. Tried: $${PYTHON:-python3 python3.12 python3.11}" >&2
	echo "Install one (apt install python3.12, brew install python@3.12, pyenv install 3.12), or name it:" >&2
	echo "  make $(or $(MAKECMDGOALS),test) PYTHON=/path/to/python3.12" >&2
	exit 1

$(INSTALLED): pyproject.toml | $(BIN)/pip
	@echo "Installing flowq and its tools into $(VENV) (a minute, once)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,flower,metrics,dev]'
	touch $@

.PHONY: setup
setup: $(INSTALLED) ## Make .venv and install flowq with its tools

.PHONY: demo
demo: $(INSTALLED) ## Audit Python's own standard library through real workers
	@$(BIN)/flowq demo

.PHONY: demo-kill
demo-kill: $(INSTALLED) ## The same, with a worker killed half-way
	@$(BIN)/flowq demo --kill

.PHONY: test
# Most of a test's time is waiting (for leases, restarts, deadlines): five processes share the files, whatever the cores.
# In the order they have, not those of many tests first: what comes last is short (tests/unit), and nobody waits for one.
test: $(INSTALLED) ## Run the tests, on a real Redis and real workers
	@$(BIN)/pytest -n 5 --dist loadfile --no-loadscope-reorder

.PHONY: check
check: $(INSTALLED) ## Check format, lint, types and import rules
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict flowq workers
	$(BIN)/pytest --quiet tests/test_architecture.py

.PHONY: format
format: $(INSTALLED) ## Format the code and mend what lint can mend
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: features
features: $(INSTALLED) ## Write docs/reference/features.md from the rows and the names of their tests
	@$(BIN)/python -m tests.features.table

.PHONY: bench
# ARGS="--workload W5" measures only that; ARGS=--fresh measures again what out/benchmarks/ holds; ARGS=--help tells the rest.
bench: $(INSTALLED) ## Measure flowq beside plain Celery and what the machine allows (a quarter of an hour, a quiet machine)
	@$(BIN)/python -m benchmarks $(ARGS)

# Programs that measure something of their own, each for the same table.
OWN := local_flow payload shared_store recovery memory checkpoints
PEERS_INSTALLED := $(VENV)/.peers-installed

$(PEERS_INSTALLED): $(INSTALLED)
	@echo "Installing what flowq is measured beside into $(VENV) (a minute, once)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[peers]'
	touch $@

.PHONY: bench-peers
# Goes on where it was interrupted, also after `make bench`: what out/benchmarks/ holds is not measured again.
bench-peers: $(PEERS_INSTALLED) ## Measure flowq beside all its peers (three quarters of an hour), and write docs/benchmarks.md
	@$(BIN)/python -m benchmarks.peers $(ARGS)
	for program in $(OWN); do
		[[ -e out/benchmarks/$$program.jsonl ]] || $(BIN)/python -m benchmarks.$$program
	done
	$(BIN)/python -m benchmarks.peers --table

# Two of the other tests at full length: random schedules of the ledger, messages that went wrong.
AT_LENGTH := tests/integration/engine/test_ledger_model.py tests/integration/test_mutations.py

.PHONY: chaos
# FLOWQ_CHAOS_SECONDS, FLOWQ_CHAOS_SEEDS, FLOWQ_MODEL_SEEDS and FLOWQ_MUTATIONS set other lengths, here and below.
chaos: export FLOWQ_CHAOS_SECONDS ?= 180
chaos: export FLOWQ_CHAOS_SEEDS ?= 5
chaos: export FLOWQ_MODEL_SEEDS ?= 10000
chaos: $(INSTALLED) ## Run the chaos tests: kills, pauses, purges; five seeds of three minutes (half an hour)
	@$(BIN)/pytest -n 2 $(AT_LENGTH)
	$(BIN)/pytest -m chaos -s tests

.PHONY: chaos-short
chaos-short: export FLOWQ_CHAOS_SECONDS ?= 45
chaos-short: export FLOWQ_CHAOS_SEEDS ?= 1
chaos-short: export FLOWQ_MODEL_SEEDS ?= 2000
# Side by side: they mostly wait, and load is a fault like any other. What they print comes at the end.
chaos-short: $(INSTALLED) ## The same in some five minutes: one seed of 45 seconds
	@$(BIN)/pytest -n 2 -m "not bench and not soak" -rP tests/chaos $(AT_LENGTH)

chaos chaos-short: export FLOWQ_MUTATIONS ?= 10000

.PHONY: browser
# Apart from the other tests: a browser is not everywhere, and needs root to install.
browser: $(INSTALLED) ## Look at Flower in headless Chromium (apt install chromium); takes the screenshots of docs/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]'
	$(BIN)/pytest -m browser tests/browser

.PHONY: docs
docs: $(INSTALLED) ## Build the documentation site into out/site, strictly
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: package-check
package-check: $(INSTALLED) ## Build wheel and sdist, install the wheel into an empty environment, run the demo from it
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[build]'
	$(BIN)/pytest -m package tests/package

.PHONY: machines
machines: $(INSTALLED) ## Simulate three machines with network namespaces (Linux, root)
	@$(BIN)/python deploy/machines.py

.PHONY: clean
clean: ## Remove caches, builds and reports (keeps .venv)
	@rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove .venv too
	@rm -rf $(VENV)
