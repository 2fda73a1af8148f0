# What can be done with this clone. Everything is installed into .venv; nothing else is touched, but that the tests
# install Debian packages of the real servers they talk to (see tests/install-packages.sh).

PORT ?= 8000
HOST ?= 127.0.0.1
PYTHON ?= python3
PY := .venv/bin/python
export PYTHON

# Most tests wait for a server, so two run at once. Real servers on a busy machine can be late: what failed is run again
# alone, and fails the whole when it fails again.
AT_ONCE := -n 2 --dist loadfile --no-loadscope-reorder
AGAIN := $(PY) -m pytest --last-failed --last-failed-no-failures none

.DEFAULT_GOAL := help
.PHONY: help demo demo-fresh test test-long check bench screenshots client translations requirements install install-demo packages

help: ## Say what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: install-demo ## Run the whole product on this machine: portal 8000, print 8001, net 8002 (PORT=9000 moves them)
	@exec $(PY) -m demo.run --host $(HOST) --port $(PORT)

demo-fresh: install-demo ## The same, forgetting what was done in the demo before
	@exec $(PY) -m demo.run --host $(HOST) --port $(PORT) --fresh

test: install packages ## Run the tests on real servers, under 10 minutes
	$(PY) -m pytest $(AT_ONCE) -m "not long" || $(AGAIN) -m "not long"

test-long: install packages ## Run every case at full size, under an hour
	$(PY) -m pytest $(AT_ONCE) --timeout 1200 || $(AGAIN) --timeout 1200

check: install ## Format, lint, types and import lines
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports

bench: install ## Measure, print a table and write bench.tsv
	@sh tests/install-packages.sh bench
	$(PY) -m tests.bench

screenshots: install ## Take a picture of every page, light, dark and on a phone, into screenshots/
	$(PY) -m tests.screenshots

client: ## Build the desktop client: a wheel, and a program of one file for this system
	@sh requirements/install.sh client
	$(PY) deploy/client/build.py

translations: install ## Gather the texts of the tree into the catalogues, and say what is not translated
	$(PY) -m language.gather

requirements: ## Pin the requirements anew (needs uv)
	for name in run demo dev client; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header requirements/$$name.in -o requirements/$$name.txt; done

install:
	@sh requirements/install.sh dev

install-demo:
	@sh requirements/install.sh demo

packages:
	@sh tests/install-packages.sh
