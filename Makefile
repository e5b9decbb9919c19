# The commands people use. Each installs what it needs into .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check e2e bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    rollouts, rollbacks and the whole life of one Deployment, with real HTTP traffic on an embedded cluster"
	@echo "make test    the tests"
	@echo "make check   lint, types, layers, generated files"
	@echo "make generate    the CRD, the reference pages and the copies made of them"
	@echo "make e2e     the same controller on a real control plane (needs Go)"
	@echo "make campaign N=1000    that many rollouts under faults, every crash point, and their figures; goes on where it was broken off"
	@echo "make analysis    the comparison with stable on modelled traffic, beside its targets; writes docs/analysis.md"
	@echo "make bench   speed and memory, as a table and as JSON"
.PHONY: help

$(VENV)/.ready: pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(VENV)/.ready
.PHONY: install

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto tests

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Writes the CustomResourceDefinition and the reference pages anew from canary/api, and the copies made of them.
generate: $(VENV)/.ready
	$(BIN)/python -m canary.api.reference .
	$(BIN)/python -m canary.server.reference .
	$(BIN)/python -m canary.cli.reference .
	$(BIN)/python docs/render.py
	cp crds/canaries.yaml charts/canary/files/canaries.yaml
	$(BIN)/python gitops/argocd/render.py
	$(BIN)/python -m canary.sandbox.mutants matrix --write
.PHONY: generate

demo: $(VENV)/.ready
	$(BIN)/canary demo

# Control planes side by side: the tests mostly wait. Each needs most of a core and a gigabyte.
PLANES ?= 2
e2e: $(VENV)/.ready
	@command -v go >/dev/null 2>&1 || { echo "make e2e builds a real control plane and needs Go (https://go.dev/dl)" >&2; exit 1; }
	$(BIN)/python -m pytest -n $(PLANES) --dist loadfile e2e

bench: $(VENV)/.ready
	$(BIN)/python -m bench

N ?= 1000
campaign: $(VENV)/.ready
	$(BIN)/python -m canary.sandbox.campaign $(N) --ledger campaign.jsonl --json campaign.json
.PHONY: campaign

# Plays modelled traffic against the tests of canary/core/evidence: some minutes.
analysis: $(VENV)/.ready
	$(BIN)/python -m canary.sandbox.analysis --write docs/analysis.md
.PHONY: analysis

# Writes the locked, hashed requirements anew from pyproject.toml.
lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --group dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate pyproject.toml -o requirements.txt
	echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --constraints requirements-dev.txt - -o requirements-build.txt

clean:
	rm -rf $(VENV) build dist .cache campaign.json campaign.jsonl
