# Daily commands. `make demo` and `make test` need only Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo demo-flights test test-quick check bench bench-serving bench-tracking docs proto clean

# One stamp per set of extras: the demo installs what the demo needs, the tests what the tests need.
$(VENV)/.base:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Tidewheel needs Python 3.11 or newer; set PYTHON=python3.12 or the like.")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.base pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.flights: $(VENV)/.base pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt --editable '.[flights]'
	@touch $@

$(VENV)/.dev: $(VENV)/.base pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Large, so only CI and those who ask for it (`make .venv/.torch`) have it; without it PyTorch's tests are skipped.
$(VENV)/.torch: $(VENV)/.dev
	$(PIP) --constraint constraints.txt torch==2.13.0
	@touch $@

demo: $(VENV)/.demo  ## the ride-hailing loop, live: ARGS="--fast --no-browser --port 7700 --keep"
	$(BIN)/tidewheel demo $(ARGS)

demo-flights: $(VENV)/.flights  ## the loop on the flights of 2013
	$(BIN)/tidewheel demo flights $(ARGS)

test: $(VENV)/.dev  ## the whole suite
	$(BIN)/python -m pytest $(ARGS)

test-quick: $(VENV)/.dev  ## without the long scenarios
	$(BIN)/python -m pytest -m 'not slow' $(ARGS)

check: $(VENV)/.dev  ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## prints its settings and ratios
	$(BIN)/python -m benchmarks $(ARGS)

bench-serving: $(VENV)/.dev  ## inference against other model servers, which get environments of their own: ARGS=--quick
	$(BIN)/python -m benchmarks.bench_serving $(ARGS)

bench-tracking: $(VENV)/.dev  ## tracking and registry against `mlflow server`, which gets an environment of its own
	$(BIN)/python -m benchmarks.bench_tracking $(ARGS)

docs: $(VENV)/.dev  ## regenerate the reference pages from the code
	$(BIN)/python -m docs.generate

PROTO := src/tidewheel/serving/worker/grpc
proto: $(VENV)/.dev  ## compile the gRPC protocol's messages, after a change of its .proto files
	$(BIN)/python -m grpc_tools.protoc -I$(PROTO) --descriptor_set_out=$(PROTO)/descriptors.pb open_inference.proto health.proto

clean:
	rm -rf $(VENV) .tidewheel .tidewheel-demo* .mypy_cache .ruff_cache .pytest_cache
