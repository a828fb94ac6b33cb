# Two commands do all set-up: `make demo` runs the main job, `make test` runs every check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test quick format types layers docs starter clean

demo: $(INSTALLED) ## the whole comparison on the bundled sample, offline
	$(BIN)/distillora compare --recipe quickstart --out runs/quickstart

test: export OMP_NUM_THREADS = 1
quick: export OMP_NUM_THREADS = 1
test: format types layers ## every check: format, types, import layers, tests
	$(BIN)/python -m pytest -n 2 --dist loadscope

quick: $(INSTALLED) ## the tests without the slow ones, under a minute
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow"

format: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

layers: $(INSTALLED)
	$(BIN)/lint-imports

docs: $(INSTALLED) ## the documentation site, into site/, without network
	$(BIN)/mkdocs build --strict

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "distillora needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

DATA ?= data/goemotions
STARTER := src/distillora/inference/starter
starter: $(INSTALLED) ## the model inside the package, from GoEmotions in DATA: hours on two cores
	$(BIN)/distillora compare --recipe starter --data $(DATA) --out runs/starter
	$(BIN)/distillora export runs/starter/arms/student-wide/seed-0 --out $(STARTER) --int8-only --vocabulary 19500 --license apache-2.0

clean:
	rm -rf $(VENV) runs site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
