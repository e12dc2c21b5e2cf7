# The commands of a contributor. BIN is the folder of the tools: `make BIN=/path/bin test`.
BIN ?= .venv-test/bin
# A process of tests for each core, whose libraries have one thread.
PYTEST = python -m pytest -n auto --dist worksteal
SOURCES = $(shell find skmatch -name "*.py")

.PHONY: help env check format test cover fast oldest docs example bench build clean

help:  ## Show this list
	@grep -E "^[a-z]+:.*##" $(MAKEFILE_LIST) | sed -E "s/:.*## /: /"

env:  ## Make the environment .venv-test, as the README does
	python3 -m venv .venv-test
	.venv-test/bin/pip install -c constraints.txt -e ".[test]"

check:  ## Lint, formatting, docstrings, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $(SOURCES)
	$(BIN)/mypy

format:  ## Repair what ruff can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test:  ## All tests
	$(BIN)/$(PYTEST)

cover:  ## All tests, and the lines that none of them runs
	$(BIN)/$(PYTEST) --cov --cov-report=term

fast:  ## Tests that take less than a second or two
	$(BIN)/$(PYTEST) -m "not slow"

# Deprecation warnings of old versions say nothing of skmatch.
oldest:  ## Fast tests with the oldest dependencies, in .venv-oldest
	python3 -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet --only-binary :all: \
		-c constraints-oldest.txt -e ".[pytest]"
	.venv-oldest/bin/$(PYTEST) -m "not slow" -W ignore::DeprecationWarning

docs:  ## The pages, in docs/_build
	$(BIN)/sphinx-build -q -W --keep-going $(SPHINXOPTS) docs docs/_build
	$(BIN)/python docs/check_links.py docs/_build

example:  ## The main job of the README
	$(BIN)/python docs/examples/quickstart.py

bench:  ## Accuracy on labelled titles, and the page of results: make bench DATA=titles.csv
	$(BIN)/python benchmarks/accuracy.py $(DATA)
	$(BIN)/python benchmarks/pair_classifier.py $(DATA)
	$(BIN)/python benchmarks/report.py

build:  ## Source distribution and wheel, in dist, checked as PyPI does
	$(BIN)/pip install --quiet build twine
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

clean:  ## Remove what the other commands made
	rm -rf build dist docs/_build docs/generated docs/auto_examples .coverage* .*_cache
