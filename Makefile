# `make help` lists the commands. They install what they need into .venv, from the pinned locks.

PYTHON ?= python3
FROM ?=
TO ?=
REFETCH ?=
KEEP ?=

VENV := .venv
UV := $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python
COMPILE := $(VENV)/bin/uv pip compile --quiet --upgrade pyproject.toml --extra airflow --universal \
	--python-version 3.11 --generate-hashes --no-header --no-annotate
RUN := $(VENV)/bin/python -m local_airflow

.DEFAULT_GOAL := help
.PHONY: help demo backfill up down airflow test check lock

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.runtime ## [KEEP=1]: everything from nothing to a browsable result, on made-up days, without a key
	@$(RUN) demo $(if $(filter 1 yes true,$(KEEP)),--keep)

backfill: $(VENV)/.runtime ## FROM=YYYY-MM-DD TO=YYYY-MM-DD [REFETCH=1]: fetch history through Airflow's own backfill
	@$(RUN) backfill --from "$(FROM)" --to "$(TO)" $(if $(filter 1 yes true,$(REFETCH)),--refetch)

up: $(VENV)/.runtime ## start Airflow with its daily schedule, on this machine only
	@$(RUN) up

down: $(VENV)/.runtime ## end what `make up` started
	@$(RUN) down

airflow: $(VENV)/.runtime ## ARGS="...": Airflow's own command, with the folders of this checkout
	@$(RUN) airflow $(ARGS)

test: $(VENV)/.development ## run the tests with coverage
	@$(VENV)/bin/python -m pytest --cov --cov-report=term $(ARGS)

check: $(VENV)/.development ## format, lint, types
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

lock: $(VENV)/.development ## resolve the dependencies anew and pin them with hashes
	@$(COMPILE) -o requirements.txt
	@$(COMPILE) --group dev -c requirements.txt -o .ci/requirements-dev.txt

$(VENV)/.uv: .ci/requirements-uv.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "Python 3.11 to 3.13 is needed, this is %d.%d: make PYTHON=/path/to/python3.11 ..." % v)'
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements-uv.txt
	@touch $@

$(VENV)/.runtime: $(VENV)/.uv requirements.txt pyproject.toml
	@$(UV) --compile-bytecode --require-hashes -r requirements.txt
	@$(UV) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime .ci/requirements-dev.txt
	@$(UV) --compile-bytecode --require-hashes -r .ci/requirements-dev.txt
	@touch $@
