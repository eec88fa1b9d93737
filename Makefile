# Everything a user or CI needs, each one command. Nothing has to be installed before but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVER ?=
DEMO_USERS ?= 50
DEMO_TIME ?= 30s

# Tests start hundreds of processes: where nothing compiled is written, each of them compiles all of mmload again.
unexport PYTHONDONTWRITEBYTECODE

# Each folder of tests is a part of `make test`; those that take longest come first.
LONG := $(addprefix tests/,run deploy_aws plugin coordinator deploy browser truth behaviours population)
FOLDERS := $(patsubst %/,%,$(sort $(dir $(wildcard tests/*/test_*.py))))
PARTS := $(LONG) $(filter-out $(LONG),$(FOLDERS)) $(wildcard tests/test_*.py)

.PHONY: demo test $(PARTS) check format test-real system-packages install wheel lock clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("mmload needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# A load test from nothing: on the sandbox (with people who hardly pause, to have something to see), or on a real server with `make demo SERVER=http://…`.
demo: install
ifeq ($(SERVER),)
	MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS=4000 $(BIN)/mmload run --sandbox --users $(DEMO_USERS) --run-time $(DEMO_TIME) --name demo
else
	$(BIN)/mmload init --server $(SERVER)
	$(BIN)/mmload doctor --server $(SERVER) --users $(DEMO_USERS)
	$(BIN)/mmload run --server $(SERVER) --users $(DEMO_USERS) --run-time $(DEMO_TIME) --name demo
endif

# In parts, four at a time: most of the time is spent waiting for processes that the tests start. Each is shown when it is
# done, where make can do that. (Not with the shell's `&`: what is started so does not hear Ctrl-C, which tests send.)
ALL_OF_IT := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: install
	$(MAKE) --no-print-directory --keep-going --jobs=4 $(ALL_OF_IT) check $(PARTS)

$(PARTS): install
	$(BIN)/python -m pytest -m "not real" $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The same user code on a real server: MMLOAD_TEST_SERVER names it.
test-real: install
	@test -n "$$MMLOAD_TEST_SERVER" || { echo "set MMLOAD_TEST_SERVER to the server's URL" >&2; exit 2; }
	$(BIN)/python -m pytest -m real

# What some tests need of the system (Debian, Ubuntu); without it they are skipped, except in CI.
system-packages:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver openssl iproute2 openssh-client openssh-server procps postgresql prometheus curl xz-utils jq nginx shellcheck

wheel: install
	$(BIN)/python -m build --wheel --no-isolation

# Upgrade the locked dependencies.
lock:
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --extra dev --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --allow-unsafe -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
