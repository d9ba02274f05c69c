# The habits of this project: make demo, make test, make dev, make lint, make bench, make lock, make clean.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Versions known to work together. Python 3.11's own pip takes minutes to find such a set among 280 packages.
LOCK := .ci/constraints.txt

.PHONY: demo lock test dev lint types pytest bench bench-quick bench-setup bench-peer setup system-packages browser stop clean

demo: setup
	$(BIN)/imagerag demo

test: setup browser lint types pytest

dev: setup
	DAGSTER_HOME="$$($(BIN)/python -c '$(INSTANCE)')" && export DAGSTER_HOME && \
	$(BIN)/dagster dev -w workspace.yaml --host 127.0.0.1

# The same instance as that of the command line: $DAGSTER_HOME, or a folder inside data_dir.
INSTANCE := from imagerag_assets.automation.instance import dagster_home; \
	from imagerag_assets.project import open_project; \
	print(dagster_home(open_project().settings.data_path))

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

pytest:
	$(BIN)/pytest

bench: bench-setup
	$(BIN)/python -m benchmarks

bench-quick: bench-setup
	$(BIN)/python -m benchmarks --quick

# Without a C++ compiler the rows that need hnswlib say so.
bench-setup: setup
	-$(BIN)/python -m pip install --quiet --constraint $(LOCK) --editable '.[benchmarks]'

# The row `peer` alone, and before it an environment of pixeltable's own with the versions of what both run the model by.
PEER := $(VENV)-peer
bench-peer: bench-setup $(PEER)/.installed
	PIXELTABLE_PYTHON="$(abspath $(PEER))/bin/python" $(BIN)/python -m benchmarks --only peer --rounds 1

$(PEER)/.installed: $(LOCK)
	$(PYTHON) -m venv --clear $(PEER)
	$(PEER)/bin/python -m pip install --quiet pixeltable $$(grep -E '^(torch|transformers)==' $(LOCK))
	touch $@

setup: $(VENV)/.installed system-packages

# A set-up that failed half-way is mended: without pip the environment is made once more over what is there, and from
# nothing where its Python is gone.
$(VENV)/.installed: pyproject.toml $(LOCK)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	$(PYTHON) -m venv $$(test -x $(BIN)/python || echo --clear) $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(LOCK) --editable '.[dev]'
	touch $@

# Renews the versions that `make setup` installs: the newest that pyproject.toml allows.
lock:
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --editable '.[dev]'
	$(VENV)-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > $(LOCK)
	rm -rf $(VENV)-lock

system-packages:
	@sh .ci/system-packages

# For the tests of the web page alone.
browser:
	@sh .ci/system-packages browser

stop:
	$(BIN)/imagerag stop

clean:
	-test -x $(BIN)/imagerag && $(BIN)/imagerag stop
	rm -rf .imagerag dbt_eval/target dbt_eval/logs .mypy_cache .ruff_cache .pytest_cache .hypothesis
