# make run    hear the demo                make check  lint and types
# make test   install and run the tests    make docs   build the site into build/site
# make clean  forget the virtual environment

VENV := .venv
BIN := $(VENV)/bin
# The newest Python that affectd supports, unless PYTHON=… names another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
ARGS ?=

.PHONY: run test check docs clean

run: $(VENV)/.run
	@$(BIN)/affectd run $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.test
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "affectd needs Python 3.11, 3.12 or 3.13; name one with 'make PYTHON=…'" >&2; exit 1; }
	@.ci/system-packages venv $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@.ci/system-packages run
	$(BIN)/pip install --quiet --editable '.[cpu]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@.ci/system-packages test
	$(BIN)/pip install --quiet --editable '.[cpu,train,files,docs,dev]'
	@touch $@ $(VENV)/.run
