PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
PINS := pyproject.toml constraints.txt

.PHONY: demo test soak lint bench docs results clean

demo: .venv/installed
	$(BIN)/pj train

# Bytecode is written, whatever the user's own setting: workers and commands that tests start read it.
test: .venv/installed-test .venv/installed-peers .venv/installed-docs .venv/installed-notebooks .venv/installed-sweep
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} PYTHONDONTWRITEBYTECODE= \
		$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

# Kills and damages runs, then files of data, then kills sweeps, each for so many minutes; counts go to
# soak.json and soak-files.json, and another call adds to them.
MINUTES := 10
soak: .venv/installed-test .venv/installed-sweep
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} PYTHONPATH=tests $(BIN)/python -m soak --minutes $(MINUTES)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} PYTHONPATH=tests $(BIN)/python -m soak.files --minutes $(MINUTES)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} PYTHONPATH=tests $(BIN)/python -m soak.sweeps --minutes $(MINUTES)

lint: .venv/installed-lint .venv/installed-plots .venv/installed-sweep
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python src

bench: .venv/installed
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# What is made of the code, then the site, in site/; a warning of mkdocs is an error.
docs: .venv/installed-docs .venv/installed-plots
	$(BIN)/python docs/make.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Every table and figure under docs/results/ anew, from the records that lie there: nothing is trained.
results: .venv/installed-docs .venv/installed-plots .venv/installed-sweep
	$(BIN)/python docs/make.py results

clean:
	rm -rf .venv build dist site .pytest_cache .ruff_cache .hypothesis src/*.egg-info

# A stamp is written after its installation went through, so that a second call installs nothing.
.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: $(PINS) | .venv/bin/python
	$(PIP) -e .
	touch $@

.venv/installed-%: $(PINS) | .venv/installed
	$(PIP) -e '.[$*]'
	touch $@
