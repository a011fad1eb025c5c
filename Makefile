# `make help` lists the commands. They install what they need into .venv, from the pinned locks.

# The first Python on the path that serves; or name one: make demo PYTHON=/path/to/python3.11
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
FROM ?=
TO ?=
REFETCH ?=
TICKER ?=
DATASET ?=
KEEP ?=
DEMO ?=
OPTIONS ?=
S3 ?=
CASES ?=
# Tests wait for Airflow half of the time: of four files at a time two cores are idle 3 % of it, of three 10 %. JOBS=0: one after the other.
JOBS ?= 4

VENV := .venv
LOG := .venv.log
UV := $(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python
COMPILE := $(VENV)/bin/uv pip compile --quiet --upgrade --universal \
	--python-version 3.11 --generate-hashes --no-header --no-annotate
RUN := $(VENV)/bin/python -m local_airflow
SCRIPTS := .ci/javascript
TOOLS := $(SCRIPTS)/node_modules
# What ESLint needs. Not asked before a target wants it: it takes a moment.
NODE_FITS = command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 19 ? 0 : 1)' 2>/dev/null

# An environment whose Python is gone is made anew; one that was moved with its checkout is completed.
ifneq ($(wildcard $(VENV)/.uv),)
ifneq ($(shell $(VENV)/bin/python -c 'print(1)' 2>/dev/null),1)
$(shell rm -f $(VENV)/.uv)
else ifneq ($(shell cat $(VENV)/.runtime 2>/dev/null),$(CURDIR))
$(shell rm -f $(VENV)/.runtime $(VENV)/.development $(VENV)/.notebook)
endif
endif

# $(call install,COMMAND): silent, or one line with what to do, and the rest in the log.
install = $(1) >>$(LOG) 2>&1 || { echo "the packages could not be installed \
	($$(grep -im1 -E 'error|denied|no space' $(LOG) | cut -c -160)): check the network or its proxy, then give the \
	same command again. Details: $(LOG)" | tr -d '\t' >&2; exit 1; }

.DEFAULT_GOAL := help
$(foreach flag,REFETCH KEEP DEMO OPTIONS S3,$(if $(filter-out 0 1 no yes false true,$($(flag))),$(error \
  $(flag)=$($(flag)) is neither 1 nor 0: write $(flag)=1)))

$(if $(findstring $$,$(CURDIR)),$(error the path of the checkout holds a dollar sign, which the programs that install \
  packages take for a variable: move or rename it))

.PHONY: help demo backfill dates verify up down airflow notebook env test bench stack check check-scripts script-tools \
	audit-dependencies lock readme

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.runtime ## [KEEP=1 DATASET=second_bars OPTIONS=1]: everything from nothing to a browsable result, on made-up days, without a key
	@$(RUN) demo $(if $(filter 1 yes true,$(KEEP)),--keep) $(if $(filter 1 yes true,$(OPTIONS)),--options) $(if $(DATASET),--dataset "$(DATASET)")

backfill: dates $(VENV)/.runtime ## FROM=YYYY-MM-DD TO=YYYY-MM-DD [DATASET=second_bars TICKER=SPY REFETCH=1]: fetch history through Airflow's own backfill
	@$(RUN) backfill --from "$(FROM)" --to "$(TO)" $(if $(DATASET),--dataset "$(DATASET)") $(if $(TICKER),--ticker "$(TICKER)") $(if $(filter 1 yes true,$(REFETCH)),--refetch)

dates: # before anything is installed
	@[ -n "$(FROM)" ] && [ -n "$(TO)" ] || { echo "usage: make backfill FROM=YYYY-MM-DD TO=YYYY-MM-DD [DATASET=second_bars] [TICKER=SPY] [REFETCH=1]" >&2; exit 2; }

verify: $(VENV)/.runtime ## [FROM=YYYY-MM-DD TO=YYYY-MM-DD TICKER=SPY DATASET=second_bars]: hold every partition against its certificate, without a call
	@$(VENV)/bin/python -m marketlake verify $(if $(DATASET),--dataset "$(DATASET)") $(if $(TICKER),--ticker "$(TICKER)") $(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)")

up: $(VENV)/.runtime ## start Airflow with its daily schedule, on this machine only
	@$(RUN) up

down: $(VENV)/.runtime ## end the Airflow of this checkout, and a demo that was kept
	@$(RUN) down

airflow: $(VENV)/.runtime ## ARGS="...": Airflow's own command, with the folders of this checkout
	@$(RUN) airflow $(ARGS)

notebook: $(VENV)/.notebook ## [ARGS=--no-browser]: JupyterLab with a first look at your lake, or else the demo's, on this machine only
	@$(RUN) notebook -- $(ARGS)

env: ## [DEMO=1 S3=1]: write .env with fresh secrets, keeping what it has; DEMO=1: .env.demo, for containers without a key; S3=1: with an object store
	@PYTHONPATH=include "$(or $(PYTHON),python3)" -m local_airflow.env_file $(if $(filter 1 yes true,$(DEMO)),--demo) $(if $(filter 1 yes true,$(S3)),--s3)

test: $(VENV)/.development script-tools ## [JOBS=4 ARGS="-m 'not airflow'"]: run the tests with coverage, that many files at a time
	@env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=5 --cov --cov-report=term $(ARGS)

stack: $(VENV)/.development ## [ARGS="--workers 2 --sessions 30"]: the containers under kills, with Docker or Podman; twenty minutes
	@here="$$(pwd -P)"; cd tests && PYTHONPATH="$$here/plugins:$$here/tests/support" "$$here/$(VENV)/bin/python" -m stack $(ARGS)

bench: $(VENV)/.development ## [CASES="cpu sizes ..."]: speed, size and memory, each against a peer measured in the same run
	@here="$$(pwd -P)"; cd tests && PYTHONPATH="$$here/plugins:$$here/tests/support" "$$here/$(VENV)/bin/python" -m benchmark $(CASES)

check: $(VENV)/.development ## format, lint, types, import rules; with Node, the page's scripts too
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@PYTHONPATH=plugins $(VENV)/bin/lint-imports --no-logo
	@$(MAKE) --no-print-directory check-scripts

check-scripts: script-tools
	@if $(NODE_FITS); then \
		$(TOOLS)/.bin/eslint --config $(SCRIPTS)/eslint.config.js --max-warnings 0 --no-error-on-unmatched-pattern $(SCRIPTS) include && \
		$(TOOLS)/.bin/tsc --project $(SCRIPTS); \
	else \
		echo "the scripts of the coverage page were not checked: install Node 20.19 or newer with npm (apt-get install npm, or from nodejs.org)" >&2; \
		[ -z "$$CI" ]; \
	fi

script-tools: # what looks at the page's scripts, and axe for the tests in a browser: if there is Node
	@if $(NODE_FITS); then $(MAKE) -s --no-print-directory $(TOOLS)/.installed; fi

audit-dependencies: $(VENV)/.development ## look the locked packages up among known vulnerabilities, if that can be reached
	@$(VENV)/bin/python .ci/audit_dependencies.py

readme: $(VENV)/.development ## write the generated tables of README and docs anew
	@$(VENV)/bin/python tests/support/doc_tables.py

lock: $(VENV)/.development ## resolve the dependencies anew and pin them with hashes
	@$(COMPILE) pyproject.toml --extra airflow --extra options --extra s3 -o requirements.txt
	@$(COMPILE) pyproject.toml --extra airflow --extra options --extra s3 --group dev -c requirements.txt -o .ci/requirements-dev.txt
	@$(COMPILE) --group notebook -c requirements.txt -c .ci/requirements-dev.txt -o .ci/requirements-notebook.txt
	@if $(NODE_FITS); then npm update --silent --package-lock-only --prefix $(SCRIPTS); fi

$(VENV)/.uv: .ci/requirements-uv.txt
	@[ -w . ] || { echo "$$(pwd -P) cannot be written: clone the repository to where you may write." >&2; exit 1; }
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 to 3.13 is needed, and none was found: install one, or name it with \
	make ... PYTHON=/path/to/python3.11" | tr -d '\t' >&2; exit 1; }
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is no Python here: Python 3.11 to 3.13 is needed" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "Python 3.11 to 3.13 is needed, this is %d.%d: make ... PYTHON=/path/to/python3.11" % v)'
	@echo "installing into $(VENV) ..."
	@rm -f $(LOG); $(call install,"$(PYTHON)" -m venv --clear $(VENV))
	@$(call install,$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements-uv.txt)
	@touch $@

$(VENV)/.runtime: $(VENV)/.uv requirements.txt pyproject.toml
	@$(call install,$(UV) --compile-bytecode --require-hashes -r requirements.txt)
	@$(call install,$(UV) --no-deps --no-build-isolation -e .)
	@rm -f $(LOG); pwd -P >$@

$(VENV)/.development: $(VENV)/.runtime .ci/requirements-dev.txt
	@$(call install,$(UV) --compile-bytecode --require-hashes -r .ci/requirements-dev.txt)
	@rm -f $(LOG); touch $@

$(VENV)/.notebook: $(VENV)/.runtime .ci/requirements-notebook.txt
	@echo "installing JupyterLab into $(VENV) ..."
	@$(call install,$(UV) --compile-bytecode --require-hashes -r .ci/requirements-notebook.txt)
	@rm -f $(LOG); touch $@

$(TOOLS)/.installed: $(SCRIPTS)/package.json $(SCRIPTS)/package-lock.json
	@echo "installing what looks at the page's scripts ..."
	@$(call install,npm ci --prefix $(SCRIPTS))
	@rm -f $(LOG); touch $@
