PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test check bench

app: .venv/app .venv/npm  ## the app, on this machine only, training allowed
	GENMODELS_TRAINING=$${GENMODELS_TRAINING:-open} \
	$(BIN)/streamlit run app.py --server.address localhost

test: .venv/dev .venv/npm check  ## all tests; those that need a browser or data say so where they skip
	$(BIN)/pytest

check: .venv/dev  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: .venv/dev  ## training throughput against bare steps; the distance against pytorch-fid
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.fid

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/app: requirements.txt | .venv/bin/python
	$(BIN)/pip install -r requirements.txt
	touch $@

.venv/npm: package-lock.json | .venv/bin/python  # what browsers decode with
	@if ! command -v npm > /dev/null; then \
		echo "npm is not here: the server will decode, not the browsers."; \
	elif npm ci --ignore-scripts --no-audit --no-fund; then touch $@; \
	else echo "npm could not install: the server will decode, not the browsers."; fi

.venv/dev: requirements-dev.txt .venv/app
	$(BIN)/pip install -r requirements-dev.txt
	touch $@
