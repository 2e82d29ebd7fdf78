# Everything runs in .venv, which the first target makes from constraints.txt. Needs only make and Python 3.11 to 3.13.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Another interpreter: make PYTHON=/usr/bin/python3.12 demo
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# A virtual environment does not survive a move of its folder: the stamp holds the path that it was made for.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(shell rm -f $(READY))
endif

# The tasks of the stack and the tests import large packages: they must find compiled bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up down drop test lint format reference bench bench-quick soak arrivals fuzz constraints clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Start everything, run the sample feeds, show what was loaded; leaves it running
	@$(BIN)/sluice demo

up: $(READY) ## Start PostgreSQL, the AWS emulator and Airflow, without running anything
	@$(BIN)/sluice up

down: ## Stop what `make demo` or `make up` started; keeps the data
	@if [ -x $(BIN)/sluice ]; then $(BIN)/sluice down; else echo "Nothing is installed here, so nothing runs."; fi

drop: $(READY) ## Put a file where its feed looks for it: make drop FEED=bank_statements FILE=statement.xml [DATE=2026-03-31]
	@$(BIN)/sluice drop $(if $(DATE),--date "$(DATE)") "$(FEED)" $(FILE)

test: lint ## Lint, then every test: fast ones first, then slow ones beside those that start the whole stack
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup -m "not slow and not e2e"
	$(BIN)/python -m pytest -n logical --maxprocesses 2 --dist loadgroup -m "slow or e2e"

lint: $(READY) ## Check style (ruff, with its Airflow rules) and types (mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Rewrite the code in the one format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

reference: $(READY) ## Rewrite what is made of the model of the feed file: docs/feed-reference.md, include/feeds/feed.schema.json
	$(BIN)/sluice schema --reference > .new && mv .new docs/feed-reference.md
	$(BIN)/sluice schema > .new && mv .new include/feeds/feed.schema.json

bench: $(READY) ## Measure Sluice beside its peers and goals, in about an hour: make bench [ONLY=parse,peers] [HUGE=1]
	$(BIN)/python -m benchmarks $(if $(ONLY),--only "$(ONLY)") $(if $(HUGE),--huge)

bench-quick: $(READY) ## The same with little data, in about five minutes: make bench-quick [ONLY=parse,peers]
	$(BIN)/python -m benchmarks --quick $(if $(ONLY),--only "$(ONLY)")

soak: $(READY) ## Prove exactly-once under faults, for half an hour: make soak [SECONDS=1800] [SEED=...]
	$(BIN)/python -m benchmarks.soak --seconds "$(or $(SECONDS),1800)" $(if $(SEED),--seed "$(SEED)")

arrivals: $(READY) ## From bucket to row with a stopwatch, then 10,000 announcements among kills: make arrivals [FILES=10000] [SEED=...]
	$(BIN)/python -m benchmarks.arrivals --files "$(or $(FILES),10000)" $(if $(SEED),--seed "$(SEED)")

fuzz: $(READY) ## Fuzz splitter, parser and feed loader, guided by coverage: make fuzz [SECONDS=300] [SEED=...]
	$(BIN)/python -m tests.fuzz --seconds "$(or $(SECONDS),300)" $(if $(SEED),--seed "$(SEED)")

constraints: $(READY) ## Pin the newest releases that work together into constraints.txt
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --extra dev \
		--no-annotate --no-header --output-file constraints.txt pyproject.toml

clean: ## Stop the stack, then remove its data and the virtual environment
	@if [ -x $(BIN)/sluice ]; then $(BIN)/sluice down --remove-data; fi
	rm -rf $(VENV) .bench .mypy_cache .pytest_cache .ruff_cache

$(READY): constraints.txt pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "Sluice needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3 ..." >&2; exit 1; fi
	@echo "Installing into $(VENV) (about a minute the first time)"
	@[ -x $(BIN)/pip ] && "$(BIN)/pip" --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv setuptools
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --compile-bytecode --no-build-isolation \
		--constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m sluice.rehearsal
	@printf '%s' "$(CURDIR)" > $@
