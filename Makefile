# Two commands: `make train` and `make test`. Both set up everything they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
COMPARED := mnist-keras --data mnist --full
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: train test kserve lint format site notebooks comparison clean

train: $(VENV)/.core
	@echo "mnist-cosine: mnist-torch, and a learning rate that falls to zero"
	$(BIN)/pellucid train mnist-cosine

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto

# KServe's client, whose pins do not fit beside ours; a test asks our server by it.
kserve: .venv-kserve/.done

# The documentation site, with the lesson in the browser: build/site/html.
site: $(VENV)/.docs
	$(BIN)/python docs/site/build.py

# The tutorials' notebooks, where their pages have changed.
notebooks: $(VENV)/.docs
	$(BIN)/python docs/site/notebooks.py

# The comparison that the documentation quotes, on a quiet machine: about an hour. Each
# command goes on where it was stopped, and measures again what was disturbed.
comparison: $(VENV)/.docs
	$(BIN)/pellucid compare $(COMPARED) --out docs/compare
	$(BIN)/pellucid compare $(COMPARED) --engines torch,tensorflow \
		--out docs/compare/torch-tensorflow
	$(BIN)/python docs/site/part_three.py
	$(BIN)/python docs/site/notebooks.py

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-kserve .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing pellucid into $(VENV) …"
	$(PIP) --editable . --constraint constraints.txt
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing pellucid, the frameworks and what tests need into $(VENV) …"
	$(PIP) --editable '.[all,test]' --constraint constraints.txt
	@touch $@ $(VENV)/.core

$(VENV)/.docs: $(VENV)/.test
	@echo "installing what the site needs into $(VENV) …"
	$(PIP) --editable '.[docs]' --constraint constraints.txt
	@touch $@

.venv-kserve/.done: tests/serving/kserve_requirements.txt
	@echo "installing KServe's client into .venv-kserve …"
	$(PYTHON) -m venv .venv-kserve
	.venv-kserve/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement tests/serving/kserve_requirements.txt
	@touch $@
