# stratsim's own tasks. Everything runs in .venv, which the first task makes, except profile-gpu. Only the
# profile tasks need torch.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

TORCH ?= torch==2.13.0
GPU ?= cuda:0
BUDGET ?= 8m
OUT ?= results
HOSTILE ?= 300
ENGINES ?= 10000
EXAMPLES ?= 100

# Compiled files are kept whatever the environment says: without them every worker rewrites every test file anew, and
# every process that a test starts compiles all that it imports.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist worksteal -q --durations=20

.PHONY: help demo test test-slow test-hostile test-engines test-all check lint types contracts bench bench-growth docs profile-cpu profile-gpu wheel clean

help:  ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[parquet,plots]' --group dev
	touch $(READY)

demo: $(READY)  ## replay the bundled workload through four policies; table, results/demo and figures
	$(BIN)/stratsim replay --out results/demo --overwrite
	$(BIN)/stratsim plot results/demo --kind violations --out results/demo-violations.png
	$(BIN)/stratsim plot results/demo --kind latency-ccdf --out results/demo-latency-ccdf.png

test: $(READY)  ## all fast tests; ends with the slowest twenty
	$(PYTEST) -m 'not slow'

test-slow: $(READY)  ## the slow tests (measure this machine, kill processes, need torch), and properties on EXAMPLES=100
	STRATSIM_EXAMPLES=$(EXAMPLES) $(PYTEST) -m 'slow or hypothesis'

test-hostile: $(READY)  ## hostile input: HOSTILE=300 drawn examples of each kind, ten times as many listed cases; an hour
	STRATSIM_HOSTILE=$(HOSTILE) $(BIN)/pytest -n auto -q tests/hostile

test-engines: $(READY)  ## both engines on ENGINES=10000 random runs, equal to the byte; says what they covered; minutes
	STRATSIM_ENGINES=$(ENGINES) $(BIN)/pytest -q -s tests/property/test_engines.py

test-all: test test-slow  ## all tests

check: lint types contracts test  ## what CI checks: lint, types, architecture, tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports --no-cache

docs: $(READY)  ## the documentation site, in docs/_build/html: open index.html; needs no network once its tools are there
	$(BIN)/python -c 'import sphinx_gallery, sphinx_click, myst_parser' 2>/dev/null || $(BIN)/python -m pip install --quiet --group docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir docs/_build/doctrees docs docs/_build/html

bench: $(READY)  ## speed and memory beside other simulators on the same work, and that all give the same answer
	$(BIN)/python -c 'import ciw, numba, salabim, sched_sim' 2>/dev/null || $(BIN)/python -m pip install --quiet --group bench || true
	$(BIN)/python benchmarks/peers.py --out $(OUT)/peers

bench-growth: $(READY)  ## how time and memory grow with requests, GPUs, models, waiting requests and slots; goes on where it was
	$(BIN)/python benchmarks/growth.py --out $(OUT)/growth

profile-cpu: $(READY)  ## profile this CPU and replay on it, under five minutes; QUICK=1: under one, rough
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet '$(TORCH)' 'nvidia-ml-py>=12'
	mkdir -p $(OUT)
	$(BIN)/stratsim profile run --device cpu --out $(OUT)/cpu$(if $(QUICK),-quick).json --report $(OUT)/cpu$(if $(QUICK),-quick).html --overwrite \
	  $(if $(QUICK),--quick --allow-shared)
	$(BIN)/stratsim replay --profile $(OUT)/cpu$(if $(QUICK),-quick).json

# With the machine's own python3, as GPU images have it: torch, numpy, scipy, click, matplotlib and nvidia-ml-py do.
profile-gpu:  ## profile GPU=cuda:0 in ten minutes; profile, report and raw samples go to OUT=results
	mkdir -p $(OUT)
	PYTHONPATH=.:profiler $(PYTHON) -m stratsim_profiler run --device $(GPU) --budget $(BUDGET) \
	  --out $(OUT)/gpu.json --report $(OUT)/gpu.html --overwrite; \
	status=$$?; gzip --keep --force $(OUT)/gpu.samples.jsonl; exit $$status

wheel: $(READY)  ## build and check the wheel
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/check-wheel-contents dist

clean:  ## remove what the tasks made
	rm -rf .venv dist results docs/_build docs/reference/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
