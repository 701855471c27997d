# Two commands on a fresh machine: `make demo` and `make test`. Needs python3, make and pip only.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install demo table1 table2 test test-peft test-all lint house docs bench clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/'

install: .venv/installed ## make .venv with qft and its pinned dependencies

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) -e .
	@touch $@

.venv/tested: .venv/installed
	$(PIP) -e '.[test,lint]'
	@touch $@

demo: install ## train and evaluate on the embedded defaults, print scores and where the curve is
	$(BIN)/qft train run=demo overwrite=true
	$(BIN)/qft eval run=outputs/demo evaluation.baseline=true

table1: install ## Table I at demo scale (about an hour on two cores; resumable), and its report
	$(BIN)/qft sweep table1
	$(BIN)/qft report outputs/sweeps/table1-demo

table2: install ## Table II at demo scale, and its report
	$(BIN)/qft sweep table2
	$(BIN)/qft report outputs/sweeps/table2-demo

test: .venv/tested ## run the tests (minutes)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup

test-peft: .venv/tested ## PEFT's own tests, from its source distribution, over our adapters (ten minutes on two cores)
	$(BIN)/python tests/peft_suite/run.py -n $(WORKERS)

test-all: .venv/tested docs test-peft ## and what is slow or needs a service: Slurm, browsers, PEFT, the site, pip (up to an hour)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m 'extended or not extended' --timeout 1800

lint: .venv/tested ## style, types, who may import whom, how long functions are
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/house.py --check

house: .venv/tested ## print how large files and functions are, what is guessed, who imports whom
	$(BIN)/python scripts/house.py

.venv/documented: .venv/installed
	$(PIP) -e '.[docs]'
	@touch $@

docs: .venv/documented ## build the documentation site into site/; open site/index.html
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --strict

.venv/benched: .venv/tested
	$(PIP) -e '.[bench]'
	@touch $@

# rivals that are compiled by JAX, which is no part of our constraints; without them the page says that they are missing
.venv-rivals/installed:
	($(PYTHON) -m venv .venv-rivals && .venv-rivals/bin/python -m pip install --disable-pip-version-check -q 'jax[cpu]>=0.8' 'tensorcircuit-ng>=1.4' && touch $@) || { echo "JAX and TensorCircuit-NG cannot be installed: their rows are left out"; rm -rf .venv-rivals; }

bench: .venv/benched .venv-rivals/installed ## measure everything side by side, write docs/performance.md (MODEL=DIR DATA=DIR ONLY=step)
	$(BIN)/python scripts/build_performance.py $(if $(MODEL),--model $(MODEL)) $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY))

clean: ## remove .venv and caches, never outputs
	rm -rf .venv .venv-rivals .cache .pytest_cache .mypy_cache .ruff_cache build dist site *.egg-info
