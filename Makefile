# The habits of this project: make demo, make test, make dev, make lint, make bench, make clean.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME ?= $(CURDIR)/.imagerag/dagster_home

.PHONY: demo test dev lint types pytest bench setup system-packages stop clean

demo: setup
	$(BIN)/imagerag demo

test: setup lint types pytest

dev: setup
	mkdir -p $(DAGSTER_HOME)
	test -f $(DAGSTER_HOME)/dagster.yaml || cp imagerag_assets/automation/dagster.yaml $(DAGSTER_HOME)/
	$(BIN)/dagster dev -w workspace.yaml --host 127.0.0.1

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

pytest:
	$(BIN)/pytest

bench: setup
	$(BIN)/python -m benchmarks

setup: $(VENV)/.installed system-packages

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

system-packages:
	@sh .ci/system-packages

stop:
	$(BIN)/imagerag stop

clean: 
	-test -x $(BIN)/imagerag && $(BIN)/imagerag stop
	rm -rf .imagerag dbt_eval/target dbt_eval/logs .mypy_cache .ruff_cache .pytest_cache .hypothesis
