# `make` lists the commands. Each makes the environment that it needs the first time.
PYTHON ?= python3
BIN := .venv/bin
NODE_CLIENT := tests/clients/node_modules/.package-lock.json
AXE := tests/pages/node_modules/.package-lock.json
THREADS_CLIENTS := .venv/clients.stamp
BENCHES := $(addprefix bench-,cold warm calls accounts status memory)
# The tests wait for a quarter of their time, so three processes keep two cores busy.
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) * 3 // 2)')

.DEFAULT_GOAL := help
.PHONY: help run test lint messages pictures soak fuzz bench $(BENCHES) lock reset clean

help:  ## List these commands.
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

run: .venv/run.stamp  ## Run a local Threads, a local Secret Manager and both functions, until Ctrl-C.
	@exec $(BIN)/python -m sandbox

test: lint $(NODE_CLIENT) $(AXE) $(THREADS_CLIENTS)  ## Check everything: lint, types, all tests, coverage; about five minutes on two cores.
	@echo "Tests: all of them, in $(PROCESSES) processes, with coverage. About four minutes on two cores."
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal -p tests.support.progress --cov --cov-report=
	@$(BIN)/coverage report

lint: .venv/dev.stamp  ## Check style and types; half a minute the first time.
	@echo "Style and types: ruff, mypy, shellcheck. Half a minute the first time, then seconds."
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/shellcheck --external-sources --check-sourced deploy.sh .ci/run

messages: .venv/dev.stamp  ## Update the translations' files by the pages and the code, and compile them.
	@$(BIN)/python -m tests.pages.catalogues

pictures: .venv/dev.stamp  ## Draw the README's pictures of the pages.
	@$(BIN)/python -m tests.pages.pictures

soak: .venv/run.stamp  ## Simulate years of faults and crashes beside a model of what must hold; under ten minutes.
	@$(BIN)/python -m soak

fuzz: .venv/fuzz.stamp  ## Send random input to every parser, guided by coverage; 20 seconds each.
	@$(BIN)/python -m fuzz --seconds 20

bench: .venv/bench.stamp  ## Measure all figures; a quarter of an hour. One group: make bench-cold, -warm, -calls, -accounts, -memory.
	@$(BIN)/python -m bench

$(BENCHES): bench-%: .venv/bench.stamp
	@$(BIN)/python -m bench $*

lock: .venv/dev.stamp  ## Pin the packages of requirements/*.in, with hashes. A package that is pinned keeps its version.
	@for name in runtime dev bench fuzz clients; do \
		out=requirements/$$name.txt; [ $$name = runtime ] && out=requirements.txt; echo "$$out"; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
			--no-header requirements/$$name.in -o $$out || exit 1; \
	done

reset:  ## Delete what `make run` stored, but not the tokens of the real Threads.
	@$(PYTHON) -m sandbox.reset

clean: reset  ## Delete the environment too.
	@rm -rf .venv tests/clients/node_modules tests/pages/node_modules

.venv/run.stamp: requirements.txt
	@[ -w . ] || { echo "This folder cannot be written to: $(CURDIR). The environment is made in it, in .venv."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 …")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@echo "Making the environment in .venv (once, about half a minute)…"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m sandbox.environment requirements.txt
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/run.stamp
	@echo "Adding the packages of the tests and checks (once, about half a minute)…"
	@$(BIN)/python -m sandbox.environment requirements/dev.txt
	@touch $@

.venv/bench.stamp: requirements/bench.txt .venv/dev.stamp
	@$(BIN)/python -m sandbox.environment requirements/bench.txt
	@touch $@

.venv/fuzz.stamp: requirements/fuzz.txt .venv/dev.stamp
	@$(BIN)/python -m sandbox.environment requirements/fuzz.txt
	@touch $@

# Google's Node client, and axe for the pages. Their tests are skipped where they are missing, so a machine without npm
# can run the others.
$(NODE_CLIENT) $(AXE): tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	@echo "Adding what tests/$* needs of npm (once, a few seconds)…"
	@if ! command -v npm >/dev/null; then echo "npm is missing: some of tests/$* is skipped."; \
	elif ! npm ci --silent --prefix tests/$*; then echo "npm could not install what tests/$* needs."; \
	else touch $@; fi

# In an environment of their own: they pin what they need. Their tests are skipped where it is missing.
$(THREADS_CLIENTS): requirements/clients.txt | .venv/dev.stamp
	@echo "Adding clients of Threads for their tests (once, about ten seconds)…"
	@if ! $(PYTHON) -m venv .venv/clients || ! .venv/clients/bin/python -m sandbox.environment requirements/clients.txt; then \
		rm -rf .venv/clients; echo "The clients of Threads could not be installed: their tests are skipped."; \
	else touch $@; fi
