# make train · make test · make test-answers · make test-all · make lint · make docs · make bench ·
# make simulate · make new NAME=my_project; each makes .venv first. make lock.
PYTHON ?= python3
BIN := .venv/bin
# The tested versions; `make test CONSTRAINTS=` takes the newest that pyproject.toml admits.
CONSTRAINTS ?= -c constraints.txt
# uv is quicker where it is at hand, and takes torch as TORCH says: cpu, or auto for what the machine's driver runs.
TORCH ?= cpu
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL = $(if $(shell command -v uv),uv pip install --quiet --python $(BIN)/python --torch-backend=$(TORCH) $(1) || )$(PIP) $(1)

.PHONY: train test test-answers test-all lint docs bench simulate new lock clean
.DELETE_ON_ERROR:

train: .venv/installed
	$(BIN)/python train.py $(ARGS)

# What pytest makes of the tests is kept, which is half of collecting them, also where a machine is set to keep no bytecode.
CACHED := PYTHONDONTWRITEBYTECODE=

# Every worker imports torch and collects all tests, some ten seconds of a core: beyond four they cost more than they save.
test: lint
	$(CACHED) $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup -m "not long" $(ARGS)

# Of the folder answers/, with what says who may import whom.
test-answers: lint
	$(CACHED) $(BIN)/python -m pytest -n auto --dist loadgroup $(wildcard answers/tests) tests/test_architecture.py $(ARGS)

# Everything, what takes many processes too: the project's own tests run in a copy without answers/, which proves that they need nothing of it. The copy
# has an environment of its own that adds the packages of this one, but not this project.
SITE := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
test-all: test-answers
	set -e; tree=$$(mktemp -d); trap 'rm -rf $$tree' EXIT; \
	git ls-files -z -co --exclude-standard ':!answers' | xargs -0 cp -p --parents -t $$tree; \
	ln -s $(CURDIR)/data $$tree; git -C $$tree init -q; \
	$(BIN)/python -m venv --without-pip $$tree/.venv; \
	printf '%s\n' $$tree $$($(CURDIR)/$(BIN)/python $(SITE)) > $$($$tree/.venv/bin/python $(SITE))/project.pth; \
	ln -s $(CURDIR)/$(BIN)/ruff $(CURDIR)/$(BIN)/mypy $$tree/.venv/bin; \
	ln -s $(CURDIR)/.mypy_cache $$tree; \
	cd $$tree; $(CACHED) .venv/bin/python -m pytest -n auto --dist loadgroup $(ARGS)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages as a site, build/docs/README.html; a link within the project that leads nowhere ends it.
docs: .venv/documents
	$(BIN)/python -m sphinx -W --keep-going -q -b html -c docs -d build/doctrees . build/docs

bench: .venv/installed
	$(BIN)/python scripts/benchmark.py $(ARGS)

simulate: .venv/installed
	@$(BIN)/python scripts/simulate.py $(ARGS)

# A fresh project of your own, without this one's answers: make new NAME=my_project DIR=~/my_project
new: .venv/installed
	@$(BIN)/python scripts/new_project.py "$(NAME)" $(if $(DIR),"$(DIR)")

# constraints.txt with the hashes of every file, for Python 3.11.5 to 3.14 on any machine: torch and CUDA's libraries in
# a file of their own, since a CPU takes another build. It needs uv.
lock: constraints.txt pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11.5 --generate-hashes --no-annotate --no-header \
	  --all-extras $(CONSTRAINTS) pyproject.toml | \
	awk '/^[a-z]/ {cuda = /^(torch|triton|nvidia-.*|cuda-.*)==/} {print > (cuda ? "requirements-cuda.lock" : "requirements.lock")}'

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(call INSTALL,$(CONSTRAINTS) -e '.[dev]')
	touch $@

.venv/documents: .venv/installed
	$(call INSTALL,$(CONSTRAINTS) -e '.[docs]')
	touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache
