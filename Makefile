PYTHON ?= python3
BIN := .venv/bin
NPM := node_modules/.package-lock.json

.PHONY: app test check bench soak

app: .venv/app $(NPM)  ## the app, on this machine only, training allowed
	GENMODELS_TRAINING=$${GENMODELS_TRAINING:-open} \
	$(BIN)/streamlit run app.py --server.address localhost

# One thread each: with the apps and trainings they start there are more than cores anyway.
test: .venv/dev $(NPM) check  ## all tests; those that need a browser or data say so where they skip
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

check: .venv/dev  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

soak: .venv/dev $(NPM)  ## the app used and killed at random for MINUTES, 10 by default
	PYTHONPATH=. $(BIN)/python tests/soak.py --minutes $${MINUTES:-10}

bench: .venv/dev $(NPM)  ## all benchmarks, and the README's tables from them
	$(BIN)/python -m benchmarks

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/app: requirements.txt | .venv/bin/python
	$(BIN)/pip install -r requirements.txt
	touch $@

$(NPM): package-lock.json  # what browsers decode with
	@if ! command -v npm > /dev/null; then \
		echo "npm is not here: the server will decode, not the browsers."; \
	else \
		npm ci --ignore-scripts --no-audit --no-fund \
		|| echo "npm could not install: the server will decode, not the browsers."; \
	fi

.venv/dev: requirements-dev.txt .venv/app
	$(BIN)/pip install -r requirements-dev.txt
	touch $@
