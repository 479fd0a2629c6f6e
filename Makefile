# stratsim's own tasks. Everything runs in .venv, which the first task makes. No GPU, no torch.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo test check lint types contracts bench wheel clean

help:  ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[parquet,plots]' --group dev
	touch $(READY)

demo: $(READY)  ## replay the bundled workload through four policies; table, results/demo and figures
	$(BIN)/stratsim replay --out results/demo --overwrite
	$(BIN)/stratsim plot results/demo --kind violations --out results/demo-violations.png
	$(BIN)/stratsim plot results/demo --kind latency-cdf --out results/demo-latency-cdf.png

test: $(READY)  ## all fast tests
	$(BIN)/pytest -n auto -q

check: lint types contracts test  ## what CI checks: lint, types, architecture, tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports --no-cache

bench: $(READY)  ## speed against a plain SimPy loop, and peak memory
	$(BIN)/python benchmarks/replay_speed.py

wheel: $(READY)  ## build and check the wheel
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/check-wheel-contents dist

clean:  ## remove what the tasks made
	rm -rf .venv dist results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
