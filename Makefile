# make run ARGS="--for 60"   make test   make soak   make sim   make chaos   make fuzz   make bench   make lint
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
STEPS ?= 100000
SEEDS ?= 50
ROUNDS ?= 20
MINUTES ?= 20
WORKERS ?= 2
LINTED := core actors adapters tests run.py

.DEFAULT_GOAL := help
.PHONY: help run test soak sim chaos fuzz mutation bench lint clean

help:
	@echo 'make run     install what is missing and run the host: paper, no keys, no network'
	@echo '             its options go into ARGS: make run ARGS="--for 60 --config my.toml"'
	@echo 'make test    lint, format, types, import rules and every test, with coverage'
	@echo 'make soak    the long proof of the limits, step by step: make soak STEPS=1000000'
	@echo 'make sim     simulated days of the whole host, one a seed: make sim SEEDS=300'
	@echo 'make chaos   real processes killed and hung, ledgers compared: make chaos ROUNDS=200'
	@echo 'make fuzz    every input broken, coverage as the guide: make fuzz MINUTES=600'
	@echo 'make mutation  change core/risk line by line and see which change no test notices (a quarter of an hour)'
	@echo 'make bench   the benchmarks, in one table'
	@echo 'make lint    the part of make test that runs nothing'
	@echo 'make clean   remove what was made here, but neither state/ nor logs/'

run: $(VENV)/.installed
	@$(BIN)/python run.py $(ARGS)

test: lint
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --cov --cov-report= $(ARGS)
	$(BIN)/coverage report
	$(BIN)/coverage report --include='core/risk/*' --fail-under=100

soak: $(VENV)/.installed-test
	$(BIN)/python -m tests.soak --steps $(STEPS) $(ARGS)

# A day takes about 5 s of one core: SEEDS=300 about a quarter of an hour on two.
# ARGS="--within 720": no day begins after 12 minutes, and fewer than a third of the days fail.
sim: $(VENV)/.installed-test
	$(BIN)/python -m tests.sim.run $(if $(findstring --seed ,$(ARGS)),,--seeds $(SEEDS) --workers $(WORKERS)) $(ARGS)

chaos: $(VENV)/.installed-test
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --workers $(WORKERS) $(ARGS)

fuzz: $(VENV)/.installed-proof
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(ARGS)

mutation: $(VENV)/.installed-proof
	$(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results

lint: $(VENV)/.installed-test
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-test
	@$(BIN)/python tests/benchmarks/__main__.py $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .hypothesis mutants
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made once and filled again only when the packaging changes.
$(VENV)/.installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-proof: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,proof]'
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: no Python ($(PYTHON)): install 3.11 or newer, or: make PYTHON=python3.12" >&2; \
		exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: Python is older than 3.11 ($(PYTHON)): install a newer one and name it," \
			"such as: make PYTHON=python3.12" >&2; \
		exit 2; }
	@$(PYTHON) -m venv $(VENV) >/dev/null || { \
		rm -rf $(VENV); \
		echo "error: no virtual environment ($(VENV)): install your system's venv package," \
			"such as: apt install python3-venv" >&2; \
		exit 2; }
