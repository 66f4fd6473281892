# Two commands are enough: make run, make test. Everything they need is made on the way.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test sim faults lint types bench bench-peers lock docs screens clean help
.DELETE_ON_ERROR:

help:
	@echo "make run     set up, check config/tasks.yaml, run it here; Ctrl-C stops it"
	@echo "make test    set up, run every test"
	@echo "make faults  the long form of every fault test, about an hour"
	@echo "make sim     simulated worlds until one fails; make sim SEED=7 plays one again"
	@echo "make lint    ruff and mypy"
	@echo "make bench   print every measured figure beside its limit"
	@echo "make bench-peers  ours beside cronstable, which it installs into .venv-peers"
	@echo "make docs    write the generated pages anew"
	@echo "make screens takes the screens of docs/screens.md anew"
	@echo "make lock    pin the newest versions in constraints.txt"

run: $(READY)
	@$(BIN)/torch check config/tasks.yaml
	@echo "in another terminal: $(BIN)/torch status --state-dir .state   (or tasks, runs, logs -f)"
	@exec $(BIN)/torch start --foreground -f config/tasks.yaml --state-dir .state

test: $(READY)
	$(BIN)/pytest -n 4 --dist loadfile  # half of the time they wait for whole seconds

faults: $(READY)
	TORCH_FAULTS=long $(BIN)/pytest tests/faults

sim: $(READY)
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(WORLDS),--worlds $(WORLDS))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m bench

bench-peers: $(READY)
	$(BIN)/python -m bench.peers

docs: $(READY)
	$(BIN)/python -m torch.taskfile.docs >docs/task-file.md
	$(BIN)/python -m torch.report.states >docs/run-states.md
	$(BIN)/python -m torch.taskfile.schema >config/tasks.schema.json

screens: $(READY)
	$(BIN)/python -m tests.screens

lock: $(READY)
	$(BIN)/pip install --quiet --upgrade --upgrade-strategy eager -e '.[dev]'
	(echo "# Every version that 'make' installs. Refresh: make lock"; \
	 $(BIN)/pip freeze --exclude-editable; \
	 sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml) >constraints.txt

# Debian keeps venv in a package of its own; root may install it, everybody else is told how.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; \
	  else \
	    echo "python3 has no venv here; install it first: sudo apt-get install python3-venv" >&2; exit 1; \
	  fi; }
	@for tool in strace logrotate tmux; do \
	  PATH="$$PATH:/usr/sbin" command -v $$tool >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$tool) >/dev/null 2>&1; \
	  } || echo "without $$tool some tests are skipped: sudo apt-get install $$tool" >&2; done
	@echo "setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	  $(BIN)/python -m pip install --quiet --no-warn-script-location \
	  --config-settings editable_mode=compat -e '.[dev]'  # a plain path: 14 ms less a command
	@touch $(READY)

clean:
	rm -rf $(VENV) .venv-peers .state .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
