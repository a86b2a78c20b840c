# Quarterdeck: every target makes .venv and installs what it needs first, and no more.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-compile -c requirements.lock
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
HOSTS := hosts
PACKAGES := training envs agents gan cluster

.PHONY: install train test test-cluster check lint types bench clean
.DELETE_ON_ERROR:

install: $(VENV)/.installed

train: install
	$(BIN)/quarterdeck train pong

# Files in the order of tests/conftest.py: the default leaves those of few, long tests for the end, all at once.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not hosts"

# Hosts of Linux namespaces: as root on Linux with iproute2, openssh-server and rsync; skipped elsewhere.
test-cluster: $(VENV)/.dev
	$(BIN)/python -m pytest -m "$(HOSTS)" tests/hosts

check: lint types

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy $(PACKAGES)

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.speed --peers

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(PACKAGES) tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# pip would compile on one core alone, for a minute; some files in packages are templates and cannot be compiled.
# A half-made environment (no pip in it) is made again; a whole one is only brought up to date.
$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	  || { echo "error: '$(PYTHON)' is not Python 3.11 to 3.14: install one and say make PYTHON=/path/to/python3.14" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "error: '$(PYTHON)' cannot make virtual environments: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e .
	@$(COMPILE)
	@touch $@

# Tools of tests and checks, and the benchmark's peers, come when they are asked for.
$(VENV)/.dev $(VENV)/.bench: $(VENV)/.installed
	$(PIP_INSTALL) -e '.[$(patsubst .%,%,$(@F))]'
	@$(COMPILE)
	@touch $@
