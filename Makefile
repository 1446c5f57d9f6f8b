# Each target is a task of tools/tasks.py, which any Python runs. `make` lists them.

TASKS := lab setup test test-browser test-install test-jax notebooks bundle \
  results-table format
export PYTHON

.PHONY: help $(TASKS)
.DEFAULT_GOAL := help

help $(TASKS):
	@for python in "$$PYTHON" python3.13 python3.12 python3.11 python3 python; do \
	  "$$python" -c '' 2>/dev/null && exec "$$python" tools/tasks.py $@ $(ARGS); \
	done; \
	echo "This project needs Python 3.11, 3.12 or 3.13. Found: none" >&2; exit 1
