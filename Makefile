# make run    the page, on this machine
# make test   all tests, with a real browser
# make bench  the benchmarks, one table

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := $(CURDIR)

.PHONY: run test bench browser clean

run: $(VENV)/run
	$(BIN)/python app.py

test: $(VENV)/test browser
	$(BIN)/python -m pytest -q tests

bench: $(VENV)/run
	$(BIN)/python -m tests.benchmarks

# Everything is installed in an environment of its own; again when the requirements change.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/test: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -r requirements.txt -r tests/requirements.txt
	touch $@

# A real browser: one on PATH, else Debian's where apt and root allow, else Playwright's own.
browser: $(VENV)/test
	@command -v chromium chromium-browser google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } \
	  || $(BIN)/python -m playwright install chromium \
	  || echo "No browser could be installed; tests that need one are skipped, or fail when CI=true."

clean:
	rm -rf $(VENV)
