# Everything runs in .venv, which `setup` makes and every other target brings up to date.
PYTHON ?= python3
VENV := .venv
BUDGET ?= 40
STUDY ?= trials/reference/base
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BENCHMARKS := training_step memory generation search_time workers startup engine corpus gpu

.PHONY: help setup search test test-slow test-browser screenshots docs mutations lint bench clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.done  ## make .venv with every extra and the exact versions of constraints.txt

$(VENV)/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dashboard,png,ray,docs,dev]'
	touch $@

search: setup  ## search the default space: trials/base/
	$(VENV)/bin/python -m nas.search --budget $(BUDGET)

test: setup  ## the default tests, a process a core; one thread each, or they would wait for each other
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --dist loadfile

test-slow: setup  ## the long tests
	$(VENV)/bin/python -m pytest -m slow

test-browser: setup  ## pages in a real Chromium, which is installed where there is none (Debian)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	command -v chromium || command -v google-chrome || $(SUDO) apt-get install --yes chromium
	$(VENV)/bin/python -m pytest -m browser tests/browser

screenshots: setup  ## pictures of the report of STUDY into docs/
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(VENV)/bin/python -m tests.browser.screenshots $(STUDY) docs

mutations: setup  ## put known defects into a copy of the source: the default tests must fail under each
	$(VENV)/bin/python tests/mutations/run.py

docs: setup  ## the documentation as a site: docs/_build/index.html
	$(VENV)/bin/python docs/generate.py
	$(VENV)/bin/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build

lint: setup  ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: setup  ## run benchmarks/ and write the tables of its README; let nothing else run meanwhile
	for name in $(BENCHMARKS); do $(VENV)/bin/python -m benchmarks.$$name || exit 1; done
	$(VENV)/bin/python -m benchmarks.table

clean:  ## remove .venv and caches; studies stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
