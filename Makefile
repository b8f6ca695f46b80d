# Two commands do everything: `make demo` and `make test`. Both make their own environment first.

VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test setup format check unit lock bench clean

demo: $(VENV)/.ready
	@$(BIN)/remit demo

test: check unit

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml .ci/setup
	@.ci/setup $(VENV)

format: $(VENV)/.ready
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

# Format, lint, types, contracts.
check: $(VENV)/.ready
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.ready
	$(BIN)/pytest -q -n 2 --dist loadfile

# What the numbers in docs/benchmarks.md come from; each prints one JSON object on its last line.
bench: $(VENV)/.ready
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/retry.py
	$(BIN)/python benchmarks/long_run.py
	$(BIN)/python benchmarks/double_delivery.py --trials 1000
	$(BIN)/python benchmarks/faults.py --kills 1000 --families all

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --all-extras --group dev \
	  --custom-compile-command "make lock" --quiet -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
