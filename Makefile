# Khata. `make` alone lists what there is to do.

PYTHON ?= $(firstword $(shell command -v python3.11 || command -v python3))
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 8000
SOURCES := manage.py ledger portfolio portfolio_project simulators benchmarks tests
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --no-compile --no-deps --require-hashes -r
COMPILE := uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-annotate

.PHONY: help setup setup-dev migrate demo run test faults lint bench lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

setup: .venv/base.stamp ## build .venv with what Khata needs, every package checked against its hash

demo: migrate ## simulated brokers, three accounts, thirty trading days; again: the next day
	@$(BIN)/python manage.py demo --once

run: migrate ## start Khata for real use, on http://127.0.0.1:8000 (HOST=, PORT=): pages and schedule
	@$(BIN)/python manage.py serve --host $(HOST) --port $(PORT)

test: setup-dev ## every test on SQLite, then the database tests on PostgreSQL
	@$(BIN)/python -m tests

faults: setup-dev ## the fault campaigns at full size, on both databases: leave it running (SEED=)
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED))

lint: setup-dev ## format, lint, types, who may import whom, and requirements without addresses
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports
	@! grep -n '://' requirements/*.txt

bench: setup-dev ## how fast the sync is, beside the plain way and the database's limit
	@$(BIN)/python -m benchmarks

lock: ## choose the newest versions that requirements/*.in allow, with hashes (needs uv)
	@command -v uv > /dev/null || { echo "make lock needs uv: pip install uv, in an environment of its own"; exit 1; }
	$(COMPILE) requirements/base.in -o requirements/base.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt
	$(COMPILE) requirements/growwapi.in -o requirements/growwapi.txt
	$(COMPILE) requirements/kiteconnect.in -o requirements/kiteconnect.txt

setup-dev: .venv/dev.stamp

migrate: setup
	@$(BIN)/python manage.py migrate --verbosity 0

# Made again when the requirements change. An environment that was left half made (no pip in it) is made anew.
.venv/%.stamp: requirements/%.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Khata needs Python 3.11 or later: make PYTHON=...")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing requirements/$*.txt into .venv ..."
	@$(PIP) $<
	@touch $@
