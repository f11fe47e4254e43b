# One place for every command. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FRONTEND := src/onegrain/explorer/static/vendor/versions.json

.DEFAULT_GOAL := help
.PHONY: help demo frontend chromium test test-slow kill check bench clean fuzz

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "onegrain needs Python 3.11 or later; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) \
		|| { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	# its own pins no longer install; the tests read and write its formats with the real package
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps neurox
	@touch $(STAMP)

$(FRONTEND): $(STAMP) frontend/package-lock.json frontend/vendor.py
	$(BIN)/python frontend/vendor.py

frontend: $(FRONTEND) ## fetch the front-end files of the explorer from npm

demo: $(STAMP) $(FRONTEND) ## run every stage on the sandbox language, and print the path of the report
	$(BIN)/onegrain demo --out demo-out

chromium: ## install the browser that the browser tests drive, where this machine allows it
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
			&& { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1; } \
		|| echo "no Chromium: the browser tests will skip; install it, on Debian: apt-get install chromium"

test: $(STAMP) $(FRONTEND) chromium ## the tests, and nothing that takes minutes
	$(BIN)/python -m pytest -n 2 -m 'not slow'

test-slow: $(STAMP) $(FRONTEND) ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

kill: $(STAMP) ## kill extract, train, rank, study and ablate 50 times each, repeat them, and compare all bytes
	$(BIN)/python tests/kill/harness.py --kills 50

fuzz: $(STAMP) ## 100,000 damaged files, each of which must end in a named error or a value
	PYTHONPATH=tests $(BIN)/python -m fuzzing.run --inputs 100000

check: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check --no-cache .
	$(BIN)/mypy

bench: $(STAMP) ## side by side with peers: make bench NAME=lca_grid, or all
	$(PYTHON) benchmarks/run.py $(NAME)

clean: ## remove the environment, caches and demo
	rm -rf $(VENV) .venv-bench demo-out frontend/node_modules src/onegrain/explorer/static/vendor build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
