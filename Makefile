PYTHON ?= python3.11
STORE ?= local
PRESET ?= cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo table1 test readers-test lint bench clean

# The main job on small data made here: videos, moments, shards, training, probe, report.
demo: $(READY)
	$(BIN)/python -m tools.demo --store $(STORE) --out demo

# The paper's Table 1 on made-up worlds; PRESET=gpu with the full encoders.
table1: $(READY)
	$(BIN)/python -m tools.table1 --preset $(PRESET)

test: $(READY) lint
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Our shards, opened by Energon, Hugging Face datasets and others, in an environment of their own.
readers-test: $(READY)
	$$($(BIN)/python -m tools.environment .venv-peers-readers tests/readers/requirements.txt) \
	    -m pytest tests/readers

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	@for script in benchmarks/[a-z]*.py; do PYTHONPATH=. $(BIN)/python $$script --json benchmarks/results/$$(basename $$script .py).json || echo "no figures of $$script"; done

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	touch $(READY)

clean:
	rm -rf demo .mypy_cache .pytest_cache .ruff_cache
