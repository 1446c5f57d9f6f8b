# Everything a reader or a contributor runs. `make` alone lists the targets.
# Nothing is installed or registered outside .venv.

VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
DRIVER := $(VENV)/.browser
FAULTS := $(VENV)/.trust
START  := notebooks/00_start_here.ipynb
PYTHON ?=
ARGS   ?=

# Candidates, newest first; PYTHON=... replaces the list.
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python)
VERSION := import sys; print("%d.%d" % sys.version_info[:2])

.PHONY: help lab setup test quick test-browser notebooks format results-table trust test-pythons
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "PYTHON=python3.12 chooses the Python (3.11 to 3.13) that .venv is made with;"
	@echo "ARGS=... is passed on: make lab ARGS='--port 8890', make notebooks ARGS=FILE."

lab: setup ## Open the first notebook in JupyterLab (the first run installs it)
	@$(PY) -m jupyterlab --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/$(START) \
	  $$([ "$$(id -u)" -ne 0 ] || echo --allow-root) $(ARGS)

setup: $(STAMP) ## Create .venv and install everything into it

test: setup ## Check format and lint, run all tests and all notebooks strictly
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) $(if $(ARGS),-m pytest --nbval $(ARGS),tools/suite.py)

quick: setup ## Run a few tests of each kind: an answer within 90 seconds
	$(PY) -m ruff check .
	$(PY) tools/suite.py --quick

test-browser: $(DRIVER) ## Run all notebooks in JupyterLab in Chromium; move all widgets
	$(PY) -m pytest tests/browser -rs $(ARGS)

notebooks: setup ## Run all notebooks and store their outputs
	$(PY) tools/notebooks.py $(ARGS)

trust: $(FAULTS) ## Run the long form: random models, kills, damaged files, mutants
	$(PY) tools/trust.py

test-pythons: ## Run the suite under every installed Python, 3.11 to 3.13
	@for version in 3.11 3.12 3.13; do \
	  if python$$version -c '' 2>/dev/null; then \
	    echo "== Python $$version"; \
	    $(MAKE) test VENV=build/venv-$$version PYTHON=python$$version || exit 1; \
	  else echo "== Python $$version is not installed: skipped"; fi; \
	done

results-table: setup ## Print the table of all pretrained models from their cards
	@$(PY) -c "from pixelcnn_edu import pretrained; print(pretrained.results_table())"

format: setup ## Format the code, notebooks too, and repair what lint can
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

# A .venv that is broken, or whose Python is too old or too new, is made anew.
$(STAMP): pyproject.toml constraints.txt
	@case "$$($(PY) -c '$(VERSION)' 2>/dev/null)" in 3.11|3.12|3.13) exit 0 ;; esac; \
	chosen=; found=; \
	for python in $(PYTHONS); do \
	  version=$$("$$python" -c '$(VERSION)' 2>/dev/null) || continue; \
	  found="$$found $$python is $$version;"; \
	  case "$$version" in \
	    3.11|3.12|3.13) ;; \
	    *) continue ;; \
	  esac; \
	  if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then chosen=$$python; break; fi; \
	  found="$$found but lacks venv (Debian, Ubuntu: install python$$version-venv);"; \
	done; \
	if [ -z "$$chosen" ]; then \
	  echo "This project needs Python 3.11, 3.12 or 3.13. Found:$${found:- none}" >&2; \
	  echo "Install one of them, or name it: make setup PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$chosen (Python $$version)"; \
	"$$chosen" -m venv --clear $(VENV)
	@echo "Installing TensorFlow, JupyterLab and the notebooks' package into $(VENV):"
	@echo "about 700 MB to download, a few minutes, once."
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip
	$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

# What drives a browser (the browser itself is the system's), and what plants faults in
# the code for `make trust`: each extra is installed once.
$(DRIVER) $(FAULTS): $(STAMP)
	$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e '.[$(@F:.%=%)]'
	@touch $@
