# Two commands: `make run` tries the keeper on this machine, `make test` runs every check. Each sets itself up.
PYTHON ?= python3
BIN := .venv/bin
NODE_CLIENT := tests/clients/node_modules/.package-lock.json
BENCHES := $(addprefix bench-,cold warm calls accounts memory)

.PHONY: run test lint soak fuzz bench $(BENCHES) lock reset clean

run: .venv/run.stamp  ## A local Threads, a local Secret Manager and both functions, until Ctrl-C.
	@exec $(BIN)/python -m sandbox

test: lint $(NODE_CLIENT)  ## Lint, types and all tests.
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage report

lint: .venv/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/shellcheck deploy.sh .ci/run

lock: .venv/dev.stamp  ## Pin what requirements*.in name, with hashes.
	@for name in requirements requirements-dev requirements-bench requirements-fuzz; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-header $$name.in -o $$name.txt || exit 1; \
	done

soak: .venv/run.stamp  ## Years of faults and crashes beside a model of what must hold; under ten minutes.
	@$(BIN)/python -m soak

fuzz: .venv/fuzz.stamp  ## Throw coverage-guided nonsense at all that is parsed, 20 seconds a target.
	@$(BIN)/python -m fuzz --seconds 20

bench: .venv/bench.stamp  ## Measure everything, a quarter of an hour; writes bench/RESULTS.md and bench/results.svg.
	@$(BIN)/python -m bench

$(BENCHES): bench-%: .venv/bench.stamp  ## Measure one group of it, printed.
	@$(BIN)/python -m bench $*

reset:  ## Forget what `make run` stored, but for the tokens of the real Threads.
	@$(PYTHON) -m sandbox.reset

clean: reset  ## Forget the environment too.
	@rm -rf .venv tests/clients/node_modules

.venv/run.stamp: requirements.txt
	@[ -w . ] || { echo "This folder cannot be written to: $(CURDIR). The environment is made in it, in .venv."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 …")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@echo "Making the environment in .venv (once, about half a minute)…"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m sandbox.environment requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	@$(BIN)/python -m sandbox.environment requirements-dev.txt
	@touch $@

.venv/bench.stamp: requirements-bench.txt .venv/dev.stamp
	@$(BIN)/python -m sandbox.environment requirements-bench.txt
	@touch $@

.venv/fuzz.stamp: requirements-fuzz.txt .venv/dev.stamp
	@$(BIN)/python -m sandbox.environment requirements-fuzz.txt
	@touch $@

# Its tests are skipped where it is missing, so a machine without npm can run the others.
$(NODE_CLIENT): tests/clients/package-lock.json
	@if ! command -v npm >/dev/null; then echo "npm is missing: the tests with Google's Node client are skipped."; \
	elif ! npm ci --silent --prefix tests/clients; then echo "npm could not install Google's Node client."; \
	else touch $@; fi
