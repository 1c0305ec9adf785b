# make run    hear the demo                make check  lint and types
# make test   install and run the tests    make docs   build the site into build/site
# make clean  forget the virtual environment
# make wheel-open    build into dist/ a package whose only weights are those of `open`

VENV := .venv
BIN := $(VENV)/bin
# The newest Python that affectd supports, unless PYTHON=… names another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
ARGS ?=
DIST ?= dist
OPEN := build/wheel-open

.PHONY: run test check docs clean wheel-open

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

# The other models' weights, and their terms, stay out of it; `open` is its default.
wheel-open: | $(BIN)/python
	@rm -rf $(OPEN) && mkdir -p $(OPEN)
	@git ls-files -z | tar --null -cf - -T - | tar -xf - -C $(OPEN)
	@find $(OPEN)/models/weights -type f ! -name 'open*' ! -name 'LICENSE*' -delete
	@sed -e 's/ AND CC-BY-NC-SA-4.0//' -e 's/^version = "\(.*\)"/version = "\1+open"/' pyproject.toml > $(OPEN)/pyproject.toml
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir $(DIST) $(ARGS) $(OPEN)

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
