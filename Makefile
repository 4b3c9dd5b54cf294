PYTHON ?= python3
BIN := .venv/bin
NPM := node_modules/.package-lock.json

NEW := import sys; sys.exit(sys.version_info < (3, 11))

# An environment whose Python is too old, or gone, is made again.
ifneq ($(wildcard .venv),)
ifneq ($(shell $(BIN)/python -c '$(NEW)' 2> /dev/null && echo new),new)
OLD := old-environment
endif
endif

.PHONY: app test check bench soak old-environment

app: .venv/app $(NPM)  ## the app, on this machine only, training allowed
	GENMODELS_TRAINING=$${GENMODELS_TRAINING:-open} \
	$(BIN)/streamlit run app.py --server.address localhost

# One thread each: with the apps and trainings they start there are more than cores anyway.
test: .venv/dev $(NPM) check  ## all tests; those that need a browser or data say so where they skip
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile
	@if command -v node > /dev/null; then npm test; \
	else echo "node is not here: the tests of JavaScript alone are left out."; fi

check: .venv/dev $(NPM)  ## style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	@if [ -x node_modules/.bin/tsc ]; then npm run check; \
	else echo "npm installed nothing here: JavaScript is not checked."; fi

soak: .venv/dev $(NPM)  ## the app used and killed at random for MINUTES, 10 by default
	PYTHONPATH=. $(BIN)/python tests/soak.py --minutes $${MINUTES:-10}

bench: .venv/dev $(NPM)  ## all benchmarks, and the README's tables from them
	$(BIN)/python -m benchmarks

.venv/bin/python: $(OLD)
	@$(PYTHON) -c '$(NEW)' || { \
		echo "genmodels needs Python 3.11 or newer, and $(PYTHON) isn't: make PYTHON=python3.12"; \
		exit 1; \
	} >&2
	$(PYTHON) -m venv --clear .venv

.venv/app: requirements.txt $(OLD) | .venv/bin/python
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
