# Noodle's commands. `make help` lists them; each one works on a fresh checkout.
#
#   PYTHON=/path/to/python3   the Python to make .venv with (default: the first that fits)
#   WERROR=ON                 compiler warnings are errors
#   PYTEST_ARGS="-k handle"   further arguments for pytest

SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
# The stamps below are one installation, made in one order.
.NOTPARALLEL:

PYTHON ?=
WERROR ?= OFF
PYTEST_ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python -m
# A caller's PYTHONPATH must not hide the installed package.
unexport PYTHONPATH
PIP_INSTALL := $(RUN) pip install --quiet --quiet --disable-pip-version-check
WITH_CMAKE_OPTIONS := SKBUILD_CMAKE_DEFINE="NOODLE_WERROR=$(WERROR)"

# Folders count too: their time changes when a file goes away.
SOURCES := CMakeLists.txt $(shell find src native build_backend -name __pycache__ -prune -o \
	! -name '*.so' ! -name '*.pyc' -print)

.PHONY: help setup demo test format-check lint types tests test-slow test-large sanitize bench format clean

.DEFAULT:
	@echo "make: there is no command or file '$@'; 'make help' lists the commands" >&2; exit 2

help: ## Show this list
	@echo "usage: make COMMAND"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r command text; do printf '  %-14s %s\n' "$$command" "$$text"; done

# One stamp for each set of extras, made anew when pyproject.toml changes, and one for the package,
# made anew when a source changes.

$(VENV)/pyvenv.cfg:
	@python=$$(PYTHON='$(PYTHON)' tools/find_python) && \
		echo "making $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)

$(VENV)/.runtime: $(VENV)/pyvenv.cfg pyproject.toml
	@echo "installing noodle"
	@$(WITH_CMAKE_OPTIONS) $(PIP_INSTALL) '.[arrays,environments,node]'
	@touch $@ $(VENV)/.package

$(VENV)/.development: $(VENV)/pyvenv.cfg pyproject.toml
	@echo "installing noodle and the tools that check it"
	@$(WITH_CMAKE_OPTIONS) $(PIP_INSTALL) '.[dev]'
	@touch $@ $(VENV)/.runtime $(VENV)/.package

$(VENV)/.package: $(SOURCES) | $(VENV)/pyvenv.cfg
	@echo "installing noodle again: a source has changed"
	@$(WITH_CMAKE_OPTIONS) $(PIP_INSTALL) --no-deps --force-reinstall .
	@touch $@

setup: $(VENV)/.development $(VENV)/.package ## Make .venv with everything that tests and benchmarks need

demo: $(VENV)/.runtime $(VENV)/.package ## Make .venv and run the tour
	@$(VENV)/bin/noodle run examples/tour.noodle

test: setup ## Run every check: format, lint, types, import layers, tests, docs examples
	@$(MAKE) --keep-going format-check lint types tests

format-check: setup
	@echo "== format"
	@$(RUN) ruff format --check .

lint: setup
	@echo "== lint"
	@$(RUN) ruff check .

types: setup
	@echo "== types"
	@$(RUN) mypy --strict src

tests: setup ## Run only the tests, with import layers and docs examples
	@echo "== tests"
	@$(RUN) pytest --numprocesses=auto --maxprocesses=4 $(PYTEST_ARGS)

test-slow: setup ## Run slow tests, fuzzing and sanitizers; the summary goes to docs/robustness.md
	@$(VENV)/bin/python tools/robustness.py

test-large: setup ## Install the specification's PyTorch 1.9.0, of 850 MB, and run it
	@$(RUN) pytest -m large $(PYTEST_ARGS)

sanitize: setup ## Run the C extensions' tests under the address and undefined-behaviour sanitizers
	@$(VENV)/bin/python tools/sanitize.py

bench: setup ## Run the benchmarks; print tables and JSON
	@$(VENV)/bin/python benchmarks/run.py

format: setup ## Put all sources into the house's format
	@$(RUN) ruff check --fix-only --quiet .
	@$(RUN) ruff format .

clean: ## Remove everything that make has made
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
